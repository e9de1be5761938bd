//! The little markup of descriptions and notes: paragraphs, lists, `code` and *emphasis*.

use maud::{Markup, html};

/// Paragraphs are separated by blank lines; a line that begins with `- ` is an item of a list.
pub(super) fn paragraphs(text: &str) -> Markup {
    html! {
        @for block in text.split("\n\n").map(str::trim).filter(|block| !block.is_empty()) {
            @if block.starts_with("- ") {
                ul { @for item in items(block) { li { (inline(&item)) } } }
            } @else {
                p { (inline(block)) }
            }
        }
    }
}

/// Items of a list block; lines without a dash go on with the item before.
fn items(block: &str) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    for line in block.lines() {
        match (line.trim().strip_prefix("- "), items.last_mut()) {
            (None, Some(item)) => {
                item.push(' ');
                item.push_str(line.trim());
            }
            (dashed, _) => items.push(dashed.unwrap_or(line.trim()).to_owned()),
        }
    }
    items
}

/// Code between backticks and emphasis between stars; a mark without its partner stays as it is.
pub(super) fn inline(text: &str) -> Markup {
    let marked = ["`", "*"].iter().filter_map(|mark| delimited(text, mark)).min_by_key(|(before, ..)| before.len());
    html! {
        @match marked {
            None => (text),
            Some((before, inner, mark, rest)) => {
                (before)
                @if mark == "`" { code { (inner) } } @else { em { (inner) } }
                (inline(rest))
            }
        }
    }
}

/// The first pair of marks with text tightly between them: a star beside a blank is a product, as in `a * b * c`.
fn delimited<'a>(text: &'a str, mark: &'static str) -> Option<(&'a str, &'a str, &'static str, &'a str)> {
    text.match_indices(mark).find_map(|(at, _)| {
        let (inner, rest) = text[at + mark.len()..].split_once(mark)?;
        let tight = !inner.is_empty() && inner.trim() == inner;
        tight.then_some((&text[..at], inner, mark, rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_lists_code_and_emphasis() {
        let page = paragraphs("One *two* `a < b`.\n\n- first\n  goes on\n- second").into_string();
        assert_eq!(
            page,
            "<p>One <em>two</em> <code>a &lt; b</code>.</p><ul><li>first goes on</li><li>second</li></ul>"
        );
    }

    #[test]
    fn lone_marks_and_products_stay() {
        assert_eq!(inline("a * b * c").into_string(), "a * b * c");
        assert_eq!(inline("5 ` x").into_string(), "5 ` x");
        assert_eq!(inline("`a*b` * *c*").into_string(), "<code>a*b</code> * <em>c</em>");
    }
}

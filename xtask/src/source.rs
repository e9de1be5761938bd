//! Reading Rust as far as the source rules need it: which characters are code, and which words stand there.

/// The text with comments and the insides of string and character literals blanked. Line breaks stay, so that line
/// numbers hold.
pub(crate) fn code_only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut i = 0;
    while i < chars.len() {
        let end = blank_end(&chars, i);
        match end {
            Some(end) => {
                code.extend(chars[i..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
                i = end;
            }
            None => {
                code.push(chars[i]);
                i += 1;
            }
        }
    }
    code
}

/// The part of a code text before its unit tests (by custom the last module of a file).
pub(crate) fn before_tests(code: &str) -> &str {
    code.find("#[cfg(test)]\nmod ").map_or(code, |end| &code[..end])
}

/// Whether the word stands in the text on its own, not as a part of a longer name.
pub(crate) fn has_word(text: &str, word: &str) -> bool {
    words_at(text, word).next().is_some()
}

/// Whether the text calls the macro of that name.
pub(crate) fn calls_macro(text: &str, name: &str) -> bool {
    words_at(text, name).any(|end| text[end..].starts_with('!'))
}

/// The ends of every occurrence of the word on its own.
fn words_at<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(word).filter_map(move |(start, found)| {
        let end = start + found.len();
        let joined_before = text[..start].chars().next_back().is_some_and(is_word);
        let joined_after = text[end..].chars().next().is_some_and(is_word);
        (!joined_before && !joined_after).then_some(end)
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// If a comment or a literal starts at `i`, the place after its end (the text's end where it is left open).
fn blank_end(chars: &[char], i: usize) -> Option<usize> {
    let next = |k: usize| chars.get(i + k).copied();
    match chars[i] {
        '/' if next(1) == Some('/') => Some(find(chars, i, |rest| rest[0] == '\n')),
        '/' if next(1) == Some('*') => Some(block_comment_end(chars, i)),
        '"' => Some(quoted_end(chars, i + 1, '"')),
        'r' if !starts_inside_word(chars, i) => raw_string_end(chars, i),
        '\'' if next(1) == Some('\\') || next(2) == Some('\'') => Some(quoted_end(chars, i + 1, '\'')),
        _ => None,
    }
}

/// Whether the `r` at `i` belongs to a longer name; the prefixes `br` and `cr` are part of the literal.
fn starts_inside_word(chars: &[char], i: usize) -> bool {
    let prefix = usize::from(i > 0 && matches!(chars[i - 1], 'b' | 'c'));
    i > prefix && is_word(chars[i - prefix - 1])
}

fn find(chars: &[char], from: usize, is_end: impl Fn(&[char]) -> bool) -> usize {
    (from..chars.len()).find(|&k| is_end(&chars[k..])).unwrap_or(chars.len())
}

fn block_comment_end(chars: &[char], start: usize) -> usize {
    let (mut depth, mut i) = (0_usize, start);
    while i < chars.len() {
        match chars[i..] {
            ['/', '*', ..] => depth += 1,
            ['*', '/', ..] => depth -= 1,
            _ => {
                i += 1;
                continue;
            }
        }
        i += 2;
        if depth == 0 {
            return i;
        }
    }
    chars.len()
}

fn quoted_end(chars: &[char], mut i: usize, quote: char) -> usize {
    while i < chars.len() && chars[i] != quote {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    (i + 1).min(chars.len())
}

/// The end of `r"..."`, `r#"..."#` and so on; nothing for a raw identifier such as `r#type`.
fn raw_string_end(chars: &[char], start: usize) -> Option<usize> {
    let hashes = chars[start + 1..].iter().take_while(|&&c| c == '#').count();
    let open = start + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return None;
    }
    let closes = |rest: &[char]| rest[0] == '"' && rest[1..].iter().take_while(|&&c| c == '#').count() >= hashes;
    Some((find(chars, open + 1, closes) + 1 + hashes).min(chars.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words that are left: easier to compare than blanks.
    fn left(text: &str) -> String {
        code_only(text).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_are_blanked() {
        assert_eq!(left("a // b\nc"), "a c");
        assert_eq!(left("//! b\n/// c\na"), "a");
        assert_eq!(left("a /* b /* c */ d */ e"), "a e");
        assert_eq!(left("a / b * c"), "a / b * c");
    }

    #[test]
    fn literals_are_blanked() {
        assert_eq!(left(r#"f("a // b \" c", d)"#), "f( , d)");
        assert_eq!(left(r###"f(r#"a "b" c"#, br"d\", e)"###), "f( , b , e)");
        assert_eq!(left(r"f('a', '\'', '\u{41}', b'c')"), "f( , , , b )");
    }

    #[test]
    fn lifetimes_and_raw_identifiers_are_code() {
        assert_eq!(left("fn f<'a>(x: &'a str, r#type: u8)"), "fn f<'a>(x: &'a str, r#type: u8)");
        assert_eq!(left(r#"for"x""#), "for", "the r of a word opens no raw string, but the string is one");
    }

    #[test]
    fn line_numbers_hold() {
        let text = "a\n/* b\n c */ d\n\"e\nf\" g\n";
        assert_eq!(code_only(text).lines().count(), text.lines().count());
        assert_eq!(code_only(text).lines().nth(4).map(str::trim), Some("g"));
    }

    #[test]
    fn text_left_open_ends_at_the_end() {
        for text in ["a /* b", "a \"b", "a \"b\\", "a r#\"b\"", "a // b"] {
            assert_eq!(left(text), "a", "{text}");
        }
    }

    #[test]
    fn words_are_whole_and_macros_are_called() {
        assert!(has_word("let x: Var = y;", "Var") && !has_word("VarBuilder, MyVar", "Var"));
        assert!(calls_macro("println!(\"x\")", "println") && !calls_macro("eprintln!(\"x\")", "println"));
        assert!(!calls_macro("fn println()", "println"));
    }

    #[test]
    fn unit_tests_are_cut_off() {
        assert_eq!(before_tests("a\n#[cfg(test)]\nmod tests {}"), "a\n");
        assert_eq!(before_tests("a\n#[cfg(test)]\nfn b() {}"), "a\n#[cfg(test)]\nfn b() {}");
    }
}

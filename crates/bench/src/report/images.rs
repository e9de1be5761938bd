//! Rows of images.

use maud::{Markup, html};

use super::markup;
use crate::record::{Image, ImageGrid, Mark};

/// Images are at least this many CSS pixels wide; small ones are enlarged by a whole factor, so that their pixels stay square.
const WIDTH: u32 = 56;

pub(super) fn grid(grid: &ImageGrid) -> Markup {
    html! {
        figure.images {
            h4 { (grid.title) }
            @for row in &grid.rows {
                div.row {
                    span.label { (row.label) }
                    div.strip { @for image in &row.images { (cell(image)) } }
                }
            }
            @if !grid.caption.is_empty() { figcaption { (markup::inline(&grid.caption)) } }
        }
    }
}

fn cell(image: &Image) -> Markup {
    let factor = (WIDTH / image.width.max(1)).max(1);
    let class = match image.mark {
        Mark::Plain => "plain",
        Mark::Right => "right",
        Mark::Wrong => "wrong",
    };
    html! {
        div class={ "cell " (class) } {
            img src={ "data:image/png;base64," (image.png) } alt=(image.caption)
                width=(image.width * factor) height=(image.height * factor);
            span { (image.caption) }
        }
    }
}

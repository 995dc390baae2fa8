use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::{chart::Chart, palette, policy::policy};

/// A self-contained page.
#[derive(Clone, Debug)]
pub struct Page {
    title: String,
    lead: String,
    blocks: Vec<Block>,
}

#[derive(Clone, Debug)]
enum Block {
    Heading(String),
    Text(String),
    Figure { label: String, value: String, note: String },
    Table { head: Vec<String>, rows: Vec<Vec<String>> },
    Code(String),
    Sample { caption: String, text: String },
    Chart { svg: String },
}

impl Page {
    /// An empty page.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), lead: String::new(), blocks: Vec::new() }
    }

    /// Sets the sentence under the title.
    #[must_use]
    pub fn with_lead(self, text: impl Into<String>) -> Self {
        Self { lead: text.into(), ..self }
    }

    /// Starts a section.
    #[must_use]
    pub fn with_section(self, heading: impl Into<String>) -> Self {
        self.with(Block::Heading(heading.into()))
    }

    /// Adds a paragraph.
    #[must_use]
    pub fn with_text(self, text: impl Into<String>) -> Self {
        self.with(Block::Text(text.into()))
    }

    /// Adds a key figure: label, value and a note, which may be empty. Consecutive figures are placed side by side.
    #[must_use]
    pub fn with_figure(self, label: impl Into<String>, value: impl Into<String>, note: impl Into<String>) -> Self {
        self.with(Block::Figure { label: label.into(), value: value.into(), note: note.into() })
    }

    /// Adds a table. Numeric columns are right-aligned.
    #[must_use]
    pub fn with_table(self, head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Self {
        let head = head.iter().map(|cell| (*cell).to_owned()).collect();
        self.with(Block::Table { head, rows: rows.into_iter().collect() })
    }

    /// Adds preformatted text.
    #[must_use]
    pub fn with_code(self, text: impl Into<String>) -> Self {
        self.with(Block::Code(text.into()))
    }

    /// Adds a text that a model generated.
    #[must_use]
    pub fn with_sample(self, caption: impl Into<String>, text: impl Into<String>) -> Self {
        self.with(Block::Sample { caption: caption.into(), text: text.into() })
    }

    /// Adds a chart.
    #[must_use]
    pub fn with_chart(self, chart: &dyn Chart) -> Self {
        self.with(Block::Chart { svg: chart.to_svg() })
    }

    fn with(mut self, block: Block) -> Self {
        self.blocks.push(block);
        self
    }

    /// The page as HTML.
    pub fn to_html(&self) -> String {
        let style = palette::style() + STYLE;
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="generator" content=(GENERATOR);
                    meta http-equiv="Content-Security-Policy" content=(policy(&style, None));
                    title { (self.title) }
                    style { (PreEscaped(style)) }
                }
                body {
                    main {
                        h1 { (self.title) }
                        @if !self.lead.is_empty() { p.lead { (self.lead) } }
                        @for blocks in self.blocks.chunk_by(Block::share_a_row) {
                            @match &blocks[0] {
                                Block::Figure { .. } => dl.figures { @for block in blocks { (block.html()) } },
                                Block::Chart { .. } if blocks.len() > 1 => div.charts { @for block in blocks { (block.html()) } },
                                block => (block.html()),
                            }
                        }
                    }
                }
            }
        };
        page.into_string() + "\n"
    }
}

impl Block {
    fn share_a_row(a: &Self, b: &Self) -> bool {
        matches!((a, b), (Self::Figure { .. }, Self::Figure { .. }) | (Self::Chart { .. }, Self::Chart { .. }))
    }

    fn html(&self) -> Markup {
        match self {
            Self::Heading(text) => html! { h2 { (text) } },
            Self::Text(text) => html! { p { (text) } },
            Self::Figure { label, value, note } => html! {
                div { dt { (label) } dd.value { (value) } @if !note.is_empty() { dd.note { (note) } } }
            },
            Self::Table { head, rows } => table(head, rows),
            Self::Code(text) => html! { pre { code { (text) } } },
            Self::Sample { caption, text } => html! {
                figure.sample { figcaption { (caption) } blockquote { (text) } }
            },
            Self::Chart { svg } => html! { figure.chart { (PreEscaped(svg)) } },
        }
    }
}

fn table(head: &[String], rows: &[Vec<String>]) -> Markup {
    let is_numeric = |column: usize| {
        let mut cells = rows.iter().filter_map(|row| row.get(column)).filter(|cell| !cell.is_empty()).peekable();
        cells.peek().is_some() && cells.all(|cell| is_number(cell))
    };
    let class = |column: usize| if is_numeric(column) { "number" } else { "" };
    html! {
        div.table {
            table {
                thead { tr { @for (n, cell) in head.iter().enumerate() { th class=(class(n)) { (cell) } } } }
                tbody {
                    @for row in rows {
                        tr { @for (n, cell) in row.iter().enumerate() { td class=(class(n)) { (cell) } } }
                    }
                }
            }
        }
    }
}

/// Whether a cell is a number: `12`, `-0.5`, `1.2e-3`, `97 %`, `12,000`.
fn is_number(cell: &str) -> bool {
    let cell = cell.trim_end_matches(['%', ' ']).replace(',', "");
    !cell.is_empty() && cell.parse::<f64>().is_ok()
}

const STYLE: &str = include_str!("page.css");

/// The `generator` of pages.
pub(crate) const GENERATOR: &str = concat!("elman ", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LineChart;

    fn page() -> Page {
        let hostile = "</style><script>alert(1)</script> & \"x\"";
        Page::new(hostile)
            .with_lead(hostile)
            .with_section(hostile)
            .with_text(hostile)
            .with_figure(hostile, hostile, hostile)
            .with_figure("a", "b", "")
            .with_table(&[hostile, "n"], [vec![hostile.into(), "1.5".into()], vec!["x".repeat(3000), "-2".into()]])
            .with_code(hostile)
            .with_sample(hostile, hostile)
            .with_chart(&LineChart::new(hostile).with_line(hostile, [(1.0, 2.0), (2.0, 3.0)]))
    }

    #[test]
    fn user_text_is_escaped() {
        let html = page().to_html();
        assert!(!html.contains("<script"), "{html}");
        assert_eq!(html.matches("<style>").count(), 1);
        assert!(html.contains("&lt;script&gt;"));
    }

    #[test]
    fn pages_load_no_external_resources() {
        let html = page().to_html().replace("http://www.w3.org/2000/svg", "");
        for reference in ["http:", "https:", "src=", "@import", "url("] {
            assert!(!html.contains(reference), "{reference}");
        }
    }

    #[test]
    fn numeric_columns_are_detected() {
        for cell in ["12", "-0.5", "1.2e-3", "97 %", "12,000"] {
            assert!(is_number(cell), "{cell}");
        }
        for cell in ["", "%", "a", "1 of 2"] {
            assert!(!is_number(cell), "{cell}");
        }
        let html = page().to_html();
        assert!(html.contains("<td class=\"number\">1.5</td>") && html.contains("<th class=\"number\">n</th>"));
    }
}

//! Self-contained HTML pages with charts, for training reports.
//!
//! A [`Page`] is one file: it has no scripts, loads no fonts or images, and follows the reader's light or dark theme.
//! Its charts are SVG and can also be saved as separate files. A [`TextMap`] is an interactive page: an explorable,
//! searchable scatter plot of texts.
//!
//! ```
//! use elman_report::{LineChart, Page};
//!
//! let losses = [(1.0, 4.2), (2.0, 3.1), (3.0, 2.7)];
//! let chart = LineChart::new("Loss").with_axes("step", "nats per token").with_line("training", losses);
//! let page = Page::new("A run").with_figure("loss", "2.70", "after 3 steps").with_chart(&chart);
//! assert!(page.to_html().contains("<svg"));
//! ```

mod chart;
mod dendrogram;
mod line_chart;
mod page;
mod palette;
mod policy;
mod scatter;
mod text_map;

pub use chart::Chart;
pub use dendrogram::{Dendrogram, Merge};
pub use line_chart::LineChart;
pub use page::Page;
pub use scatter::ScatterMap;
pub use text_map::{Dot, TextMap};

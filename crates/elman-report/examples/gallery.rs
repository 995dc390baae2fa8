//! A page with one of each element: `cargo run --example gallery -- gallery.html`.

use elman_report::{Dendrogram, LineChart, Merge, Page, ScatterMap};

fn main() -> std::io::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "gallery.html".into());
    let noise = |n: u32| f64::from(n.wrapping_mul(2_654_435_761) >> 16) / 65_536.0 - 0.5;
    let train: Vec<(f64, f64)> =
        (1..400).map(|n| (f64::from(n) * 20.0, 2.1 + 4.0 / f64::from(n).sqrt() + 0.1 * noise(n))).collect();
    let valid: Vec<(f64, f64)> = train.iter().step_by(40).skip(1).map(|(x, y)| (*x, y + 0.12)).collect();
    let words = ["cat", "mouse", "dragon", "man", "woman", "eat", "see", "chase", "smell", "think"];
    let group = |n: usize| if n < 5 { "noun" } else { "verb" };
    let map = words.iter().enumerate().fold(ScatterMap::new("Words in two dimensions"), |map, (n, word)| {
        let side = if n < 5 { -1.0 } else { 1.0 };
        map.with_point(side + noise(n as u32 + 3), noise(n as u32 + 40), *word, group(n))
    });
    let pairs = [(0, 1), (3, 4), (10, 2), (12, 11), (5, 6), (7, 8), (14, 15), (16, 9), (13, 17)];
    let merges = pairs.iter().enumerate().map(|(n, (left, right))| Merge {
        left: *left,
        right: *right,
        distance: 0.3 * (n as f64 + 1.0),
    });
    let tree = Dendrogram::new(
        "Words by their hidden states",
        "distance",
        words.iter().enumerate().map(|(n, word)| (*word, group(n))),
        merges,
    );
    let loss = LineChart::new("Loss").with_axes("step", "nats per token");
    let loss = loss.with_line("training", train.iter().copied()).with_dots("validation", valid.iter().copied());
    let perplexity = LineChart::new("Perplexity").with_axes("step", "perplexity").with_logarithmic();
    let perplexity = perplexity.with_line("training", train.iter().map(|(x, y)| (*x, y.exp())));
    let page = Page::new("A gallery")
        .with_lead("One of each element of a report.")
        .with_figure("validation perplexity", "8.90", "best of 10 epochs")
        .with_figure("tokens per second", "12,400", "")
        .with_figure("parameters", "290,406", "LSTM, 2 layers")
        .with_section("Curves")
        .with_chart(&loss.with_reference("ideal", 2.1))
        .with_chart(&perplexity)
        .with_section("Words")
        .with_chart(&tree)
        .with_chart(&map)
        .with_section("Settings")
        .with_table(&["setting", "value"], [vec!["epochs".into(), "10".into()], vec!["batch".into(), "20".into()]])
        .with_section("Samples")
        .with_sample("epoch 1", "the cat sat on\nthe mat")
        .with_code("elman train notes.txt --out notes-model");
    std::fs::write(path, page.to_html())
}

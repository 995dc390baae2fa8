use std::path::{Path, PathBuf};

use elman_report::{Chart, LineChart, Page};
use indicatif::HumanCount;
use serde_json::Value;

use super::{Event, Interval, Observer, RunLog, TrainConfig};
use crate::{config::LanguageModelConfig, error::LmError, files};

/// Writes a page about a run and a chart of its loss next to its log: [`report`] and [`curves`]. They are written again
/// after every epoch, and once a minute in between.
///
/// It reads the log, so it must observe events after the [`LogFile`](super::LogFile).
#[derive(Clone, Debug)]
pub struct Report {
    log: PathBuf,
    page: PathBuf,
    curves: PathBuf,
    /// Time of the last update, in seconds since training started.
    updated: f64,
}

/// Minimum seconds between two updates in an epoch.
const MIN_INTERVAL: f64 = 60.0;

impl Report {
    /// A page and a chart of the log at `log`.
    pub fn new(log: impl AsRef<Path>, page: impl AsRef<Path>, curves: impl AsRef<Path>) -> Self {
        Self { log: log.as_ref().into(), page: page.as_ref().into(), curves: curves.as_ref().into(), updated: 0.0 }
    }

    fn update(&mut self, seconds: f64) -> Result<(), LmError> {
        self.updated = seconds;
        let log = RunLog::open(&self.log)?;
        files::replace(&self.page, report(&log).to_html().as_bytes())?;
        files::replace(&self.curves, curves(&log).to_svg().as_bytes())
    }
}

impl Observer for Report {
    fn observe(&mut self, event: Event<'_>) -> Result<(), LmError> {
        match event {
            Event::Epoch(epoch, _) => self.update(epoch.seconds),
            Event::Interval(interval) if interval.seconds - self.updated >= MIN_INTERVAL => {
                self.update(interval.seconds)
            }
            _ => Ok(()),
        }
    }
}

/// Training and validation loss over the steps.
pub fn curves(log: &RunLog) -> LineChart {
    let chart = LineChart::new("Loss").with_axes("step", "nats per token");
    chart.with_line("training", over_steps(log, |i| i.loss)).with_dots("validation", validation(log, |loss| loss))
}

/// A page about a run: metrics, curves, samples, settings, environment. All pages have the same order, so that two runs
/// can be compared side by side.
pub fn report(log: &RunLog) -> Page {
    let perplexity = LineChart::new("Perplexity").with_axes("step", "perplexity");
    let losses = || log.intervals.iter().map(|interval| interval.loss);
    let wide_range = losses().fold(f64::NEG_INFINITY, f64::max) - losses().fold(f64::INFINITY, f64::min) > 100_f64.ln();
    let perplexity = if wide_range { perplexity.with_logarithmic() } else { perplexity };
    let perplexity = perplexity
        .with_line("training", over_steps(log, |i| i.perplexity))
        .with_dots("validation", validation(log, f64::exp));
    let one = |title: &str, unit: &str, value: fn(&Interval) -> f64| {
        LineChart::new(title).with_axes("step", unit).with_line(title, over_steps(log, value))
    };
    let page = Page::new(text(&log.about["name"]).unwrap_or_else(|| "A language model".into())).with_lead(lead(log));
    let page = metrics(page, log)
        .with_section("Curves")
        .with_chart(&curves(log))
        .with_chart(&perplexity)
        .with_chart(&one("Learning rate", "learning rate", |i| i.learning_rate))
        .with_chart(&one("Gradient norm", "global norm before clipping", |i| i.gradient_norm))
        .with_chart(&one("Speed", "tokens per second", |i| i.tokens_per_second))
        .with_section("Epochs")
        .with_table(&["epoch", "step", "training loss", "validation loss", "perplexity", "minutes", ""], epochs(log));
    let page = samples(page, log);
    let page = page.with_section("Settings").with_table(&["setting", "value"], settings(log));
    about(page, log)
}

fn over_steps(log: &RunLog, value: fn(&Interval) -> f64) -> impl Iterator<Item = (f64, f64)> {
    log.intervals.iter().map(move |interval| (interval.step as f64, value(interval)))
}

fn validation(log: &RunLog, of_loss: fn(f64) -> f64) -> impl Iterator<Item = (f64, f64)> {
    log.epochs.iter().filter_map(move |epoch| Some((epoch.step as f64, of_loss(epoch.valid.as_ref()?.loss))))
}

fn lead(log: &RunLog) -> String {
    let LanguageModelConfig { cell, layers, d_hidden, vocabulary, .. } = log.start.model;
    let layers = if layers == 1 { "one layer".into() } else { format!("{layers} layers") };
    let begin = text(&log.about["environment"]["date"]).map(|date| format!(", begun {date}")).unwrap_or_default();
    format!(
        "Training of a language model: {cell}, {layers} of {d_hidden} units, {vocabulary} tokens in the vocabulary{begin}."
    )
}

fn metrics(page: Page, log: &RunLog) -> Page {
    let last = log.intervals.last();
    let done = last.map_or(0, |interval| interval.step);
    let best = log.epochs.iter().rev().find(|epoch| epoch.best);
    let page = match best.and_then(|epoch| Some((epoch, epoch.valid.as_ref()?))) {
        Some((epoch, valid)) => page
            .with_figure("validation perplexity", format!("{:.2}", valid.perplexity), format!("epoch {}", epoch.epoch))
            .with_figure("bits per character", format!("{:.3}", valid.bits_per_character), "validation"),
        None => {
            page.with_figure("training loss", format!("{:.3}", last.map_or(f64::NAN, |i| i.loss)), "nats per token")
        }
    };
    let seconds = last.map_or(0.0, |interval| interval.seconds);
    page.with_figure("steps", HumanCount(done as u64).to_string(), format!("of {}", HumanCount(log.start.steps as u64)))
        .with_figure("time", format!("{:.1} min", seconds / 60.0), interruptions(log.resumed.len()))
        .with_figure("parameters", HumanCount(log.start.parameters as u64).to_string(), "")
}

fn interruptions(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => "one interruption".into(),
        n => format!("{n} interruptions"),
    }
}

fn epochs(log: &RunLog) -> Vec<Vec<String>> {
    let row = |epoch: &super::Epoch| {
        let valid = epoch.valid.as_ref();
        vec![
            epoch.epoch.to_string(),
            epoch.step.to_string(),
            format!("{:.4}", epoch.train_loss),
            valid.map_or(String::new(), |valid| format!("{:.4}", valid.loss)),
            valid.map_or(String::new(), |valid| format!("{:.2}", valid.perplexity)),
            format!("{:.1}", epoch.seconds / 60.0),
            if epoch.best { "best so far".into() } else { String::new() },
        ]
    };
    log.epochs.iter().map(row).collect()
}

/// The first sample and the latest ones, to show the progress.
fn samples(page: Page, log: &RunLog) -> Page {
    const SHOWN: usize = 8;
    if log.samples.is_empty() {
        return page;
    }
    let omitted = 1..log.samples.len().saturating_sub(SHOWN - 1).max(1);
    let shown = log.samples.iter().enumerate().filter(|(n, _)| !omitted.contains(n));
    shown.fold(page.with_section("Samples"), |page, (_, sample)| {
        page.with_sample(format!("after epoch {}", sample.epoch), &sample.text)
    })
}

fn settings(log: &RunLog) -> Vec<Vec<String>> {
    let LanguageModelConfig { cell, d_embed, d_hidden, layers, bias, tied, dropout, .. } = &log.start.model;
    let t: &TrainConfig = &log.start.settings;
    let yes = |value: bool| if value { "yes".to_owned() } else { "no".to_owned() };
    let mut rows = vec![
        ("cell", cell.to_string()),
        ("layers", layers.to_string()),
        ("hidden units", d_hidden.to_string()),
        ("embedding", d_embed.to_string()),
        ("biases", yes(*bias)),
        ("output tied to the embedding", yes(*tied)),
        (
            "dropout (embedding, layers, output)",
            format!("{}, {}, {}", dropout.embedding, dropout.between_layers, dropout.output),
        ),
        ("optimizer", t.optimizer.to_string()),
        ("learning rate", t.learning_rate.to_string()),
        ("schedule", t.schedule.to_string()),
        ("gradient clip (global norm)", t.clip.map_or("none".into(), |clip| clip.to_string())),
        ("weight decay", t.weight_decay.to_string()),
        ("batch", t.batch.to_string()),
        ("tokens per step (bptt)", t.bptt.to_string()),
        ("epochs", t.epochs.to_string()),
        ("seed", t.seed.to_string()),
    ];
    let changes = log.resumed.iter().flat_map(|resumed| resumed.changed.iter().map(|c| (resumed.step, c)));
    let changes = changes.map(|(step, c)| {
        ("changed during training", format!("{} from {} to {} after step {step}", c.setting, c.was, c.now))
    });
    rows.extend(changes);
    rows.into_iter().map(|(name, value)| vec![name.into(), value]).collect()
}

/// Text, command and environment, from the first line of the log.
fn about(mut page: Page, log: &RunLog) -> Page {
    let about = &log.about;
    if let Some(corpus) = about["corpus"].as_array() {
        let row = |text: &Value| ["role", "name", "tokens", "characters", "bytes"].map(|key| show(&text[key])).to_vec();
        let head = ["use", "text", "tokens", "characters", "bytes"];
        page = page.with_section("Text").with_table(&head, corpus.iter().map(row));
    }
    if let Some(command) = text(&about["command"]) {
        page = page.with_section("Command").with_code(command);
    }
    if let Some(environment) = about["environment"].as_object() {
        let device = ("device".to_owned(), &about["device"]);
        let rows = environment.iter().map(|(key, value)| (key.clone(), value)).chain([device]);
        let rows = rows.filter(|(_, value)| !value.is_null()).map(|(key, value)| vec![key, show(value)]);
        page = page.with_section("Environment").with_table(&["", "value"], rows);
    }
    page
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn show(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(values) => values.iter().map(show).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

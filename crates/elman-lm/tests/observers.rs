//! Observers of training: log, page and curves.

use elman_lm::{
    LanguageModelConfig, LmError, TrainConfig, train,
    train::{LogFile, Observer, Progress, Report, RunLog, Schedule, Trained},
};
use elman_testkit::device;
use elman_text::Tokens;
use serde_json::Value;

fn run(observer: &mut dyn Observer) -> Trained {
    try_run(observer).unwrap()
}

fn try_run(observer: &mut dyn Observer) -> Result<Trained, LmError> {
    let ids: Vec<u32> = (0..600).map(|i| (i * i) % 7).collect();
    let text = Tokens::from_ids(&ids, 600, 600);
    let config = LanguageModelConfig { d_embed: 8, d_hidden: 8, layers: 1, ..LanguageModelConfig::new(7) };
    let settings = TrainConfig {
        batch: 4,
        epochs: 3,
        log_every: 2,
        schedule: Schedule::Cosine { warmup: 3 },
        learning_rate: 1.0,
        ..TrainConfig::default()
    };
    train(config.init(&device()).unwrap(), &text, Some(&text), &settings, observer)
}

#[test]
fn log_and_curves_have_all_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let [log, page, curves] = ["log.jsonl", "report.html", "curves.svg"].map(|name| folder.path().join(name));
    let mut observers: Vec<Box<dyn Observer>> =
        vec![Box::new(LogFile::new(&log)), Box::new(Report::new(&log, &page, &curves)), Box::new(Progress::new())];
    let history = run(&mut observers).history;

    let lines: Vec<Value> =
        std::fs::read_to_string(&log).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events = |name: &str| -> Vec<&Value> { lines.iter().filter(|line| line["event"] == name).collect() };
    // 149 predicted tokens per column, 35 at a time: 5 steps, read after 2, 4 and 5
    assert_eq!(lines[0]["event"], "start");
    assert_eq!((&lines[0]["steps"], &lines[0]["train_tokens"]), (&Value::from(15), &Value::from(4 * 149)));
    assert_eq!([events("start").len(), events("interval").len(), events("epoch").len()], [1, 9, 3]);
    for (line, interval) in events("interval").into_iter().zip(&history.intervals) {
        assert_eq!(line["step"], interval.step);
        assert!((line["loss"].as_f64().unwrap() - interval.loss).abs() < 1e-9);
        assert!(line["gradient_norm"].as_f64().unwrap() > 0.0 && line["tokens_per_second"].as_f64().unwrap() > 0.0);
    }
    for (line, epoch) in events("epoch").into_iter().zip(&history.epochs) {
        let loss = epoch.valid.as_ref().unwrap().loss;
        assert!((line["valid"]["loss"].as_f64().unwrap() - loss).abs() < 1e-9);
    }

    let read = RunLog::open(&log).unwrap();
    assert_eq!((read.intervals, read.epochs), (history.intervals, history.epochs.clone()));

    let svg = std::fs::read_to_string(curves).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    for text in ["Loss", "step", "nats per token", "training", "validation"] {
        assert!(svg.lines().any(|line| line.trim() == text), "no '{text}' in the chart");
    }
    assert_eq!(svg.matches("<circle").count(), 3);
    let page = std::fs::read_to_string(page).unwrap();
    for epoch in &history.epochs {
        assert!(page.contains(&format!("{:.4}", epoch.valid.as_ref().unwrap().loss)));
    }
    for title in ["Loss", "Perplexity", "Learning rate", "Gradient norm", "Speed", "Settings"] {
        assert!(page.contains(title), "no '{title}' in the page");
    }
}

#[test]
fn errors_name_a_log_that_cannot_be_written() {
    let error = try_run(&mut LogFile::new("no/such/folder/log.jsonl")).unwrap_err().to_string();
    assert!(error.starts_with("cannot write 'no/such/folder/log.jsonl': "), "{error}");
}

use std::{
    fs::{self, File},
    io::{BufWriter, IsTerminal, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::{Args, ValueEnum};
use elman::{
    burn::tensor::Device,
    embedding::{
        VectorFile,
        encoder::{EncoderModel, Files, WeightType},
        train::{Event, Examples, Texts, Training},
    },
    text::{Columns, Corpus, Table, TextTokenizer, Tokenizer, TokenizerConfig, Unit},
};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::json;

use super::options::{NetworkOptions, ObjectiveOptions, TrainingOptions, settings};
use crate::{
    arguments::DeviceOption,
    command::train::{command_line, interrupt_flag},
    error::CliError,
    lines::Lines,
    model::OutOption,
    output,
};

/// Train an encoder: a network that makes vectors of texts.
///
/// It learns from a teacher's vectors, from pairs or triplets of texts, from pairs with scores, or from texts alone. Ctrl-C stops
/// after the step and saves; the same command with --resume goes on.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  From the vectors that another model has made of the same lines:
    elman encoder train notes.txt --teacher notes.npy --tokenizer tokenizer.json --out notes-encoder
  From questions and their answers, in two columns:
    elman encoder train pairs.tsv --kind pairs --out faq-encoder
  Adapt an encoder to texts of one's own, which have nothing but themselves:
    elman encoder train notes.txt --from my-encoder --out notes-encoder

Kinds of file:
  .txt             a text per line
  .tsv, .csv       columns in the order above, or in any order under the names text; anchor, positive, negative;
                   sentence1, sentence2, score
  .jsonl, .ndjson  an object with these names, or a list, per line
  .parquet         columns of these names
All but .parquet may be followed by .gz.")]
pub struct Train {
    /// Files of examples
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// What an example is: a text; two texts that belong together; two texts and a score; a text, one that is like it and one
    /// that is less so
    #[arg(long, value_enum, default_value = "texts")]
    kind: Kind,

    /// The teacher's vectors of the texts, one for each line: a .npy or .safetensors file
    #[arg(long, value_name = "FILE")]
    teacher: Option<PathBuf>,

    /// The score of two texts that mean the same; 0 is that of texts that have nothing to do with each other
    #[arg(long, value_name = "X", default_value_t = 5.0)]
    top_score: f32,

    /// An encoder to begin with
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,

    #[command(flatten)]
    out: OutOption,

    /// Go on from the checkpoint in the directory, with the same command; begin where there is none
    #[arg(long, conflicts_with = "force")]
    resume: bool,

    /// Minutes between two checkpoints
    #[arg(long, value_name = "N", default_value_t = 10)]
    checkpoint_every: u64,

    /// In how many bits weights are saved
    #[arg(long, value_name = "TYPE", default_value = "f32", value_parser = crate::arguments::one_of::<WeightType, _>(&["f32", "f16", "int8"]))]
    weights: WeightType,

    /// Seed of the first weights, of dropout and of the batches
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    #[command(flatten)]
    device: DeviceOption,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    network: NetworkOptions,
    #[command(flatten)]
    training: TrainingOptions,
    #[command(flatten)]
    objectives: ObjectiveOptions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Texts,
    Pairs,
    Scored,
    Triplets,
}

impl Kind {
    /// The names that columns may have.
    fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Texts => &["text"],
            Self::Pairs => &["anchor", "positive"],
            Self::Scored => &["sentence1", "sentence2", "score"],
            Self::Triplets => &["anchor", "positive", "negative"],
        }
    }
}

const CHECKPOINT: &str = "checkpoint.safetensors";
const LOG: &str = "train.jsonl";

#[derive(Serialize)]
struct Report<'a> {
    out: &'a Path,
    examples: usize,
    left_out: usize,
    steps: usize,
    loss: f32,
    seconds: f64,
}

impl Train {
    pub fn run(&self) -> Result<(), CliError> {
        let settings = settings(&self.training, &self.objectives, self.seed);
        settings.validate()?;
        self.network.config(1, 0.0).validate()?;
        let checkpoint = self.out.out.join(CHECKPOINT);
        match (checkpoint.exists(), self.resume) {
            (true, true) => {}
            (true, false) if !self.out.force => return Err(CliError::Unfinished { path: self.out.out.clone() }),
            _ => self.out.check()?,
        }
        let device = self.device.open()?;
        device.seed(self.seed);

        let columns = self.columns()?;
        let (model, tokenizer) = self.model(&columns, &device)?;
        let examples = self.examples(columns, &tokenizer)?;
        self.out.create()?;
        if !self.resume {
            let removed = fs::remove_file(&checkpoint);
            removed
                .or_else(|e| if e.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(e) })
                .map_err(|source| CliError::Write { path: checkpoint.clone(), source })?;
        }
        let mut told = Told::new(&self.out.out.join(LOG), self.resume)?;
        let training = Training::new(model, &examples, &settings)
            .with_checkpoint(&checkpoint, Duration::from_secs(60 * self.checkpoint_every))
            .with_interrupt(interrupt_flag()?);
        let result = training.run(&mut |event| {
            if let Event::Epoch { model, .. } = &event {
                model.save(&self.out.out, &tokenizer, "", self.weights)?;
            }
            told.tell(&event);
            Ok(())
        });
        result.map_err(|source| CliError::encoder_training(source, command_line()))?;
        let _ = fs::remove_file(&checkpoint); // the model is whole: what is left of its training does no harm
        let Told { examples, left_out, steps, loss, start, .. } = told;
        let seconds = start.elapsed().as_secs_f64();
        if self.json {
            return output::json(&Report { out: &self.out.out, examples, left_out, steps, loss, seconds });
        }
        let at = self.out.out.display();
        output::line(format!("The encoder is in {at}. Try it with:\n  elman embed notes.txt --model {at} -o notes.npy"))
    }

    /// The columns of all files.
    fn columns(&self) -> Result<Vec<Vec<String>>, CliError> {
        let names = self.kind.columns();
        let mut columns = vec![Vec::new(); names.len()];
        for path in &self.files {
            // lines, of which empty ones count: a teacher's vectors belong to them
            if self.kind == Kind::Texts && (path == Path::new("-") || path.extension().is_some_and(|e| e == "txt")) {
                for line in Lines::open(path)? {
                    columns[0].push(line?);
                }
                continue;
            }
            for row in Table::open(path, Columns::new(names.iter().copied()))? {
                let row = row?;
                columns.iter_mut().enumerate().for_each(|(n, column)| column.push(row.text(n).to_owned()));
            }
        }
        match columns[0].is_empty() {
            true => Err(CliError::NoText { name: self.files[0].display().to_string() }),
            false => Ok(columns),
        }
    }

    fn model(&self, columns: &[Vec<String>], device: &Device) -> Result<(EncoderModel, TextTokenizer), CliError> {
        if let Some(from) = &self.from {
            return Ok(Files::read(from)?.model(device)?);
        }
        let tokenizer = match &self.network.tokenizer {
            Some(path) => TextTokenizer::load(path)?,
            None => self.learn_tokenizer(columns)?,
        };
        let alone = self.kind == Kind::Texts && self.teacher.is_none();
        let config = self.network.config(tokenizer.vocab_size(), if alone { 0.1 } else { 0.0 });
        let model = config.init(device)?;
        match &self.network.token_vectors {
            Some(path) => Ok((model.with_token_vectors(&VectorFile::open(path)?)?, tokenizer)),
            None => Ok((model, tokenizer)),
        }
    }

    /// Learns pieces of words from the texts. A corpus is a file, so they are written to one first.
    fn learn_tokenizer(&self, columns: &[Vec<String>]) -> Result<TextTokenizer, CliError> {
        let texts = if self.kind == Kind::Scored { &columns[..2] } else { columns };
        let path = self.out.out.join("texts.tmp");
        self.out.create()?;
        let write = || {
            let mut file = BufWriter::new(File::create(&path)?);
            texts.iter().flatten().try_for_each(|text| writeln!(file, "{text}"))?;
            file.flush()
        };
        let tokenizer = write().map_err(|source| CliError::Write { path: path.clone(), source }).and_then(|()| {
            let corpus = Corpus::open([&path])?;
            Ok(TokenizerConfig::new(Unit::Bpe).with_vocab_size(self.network.vocab).train(&corpus)?)
        });
        let _ = fs::remove_file(&path);
        tokenizer
    }

    fn examples(&self, mut columns: Vec<Vec<String>>, tokenizer: &TextTokenizer) -> Result<Examples, CliError> {
        let teacher = self.teacher.as_ref().map(VectorFile::open).transpose()?;
        let scores = if self.kind == Kind::Scored { columns.pop().unwrap_or_default() } else { Vec::new() };
        let texts: Vec<Texts> = columns
            .iter()
            .map(|column| Texts::new(tokenizer, column, self.training.longest))
            .collect::<Result<_, _>>()?;
        let mut texts = texts.into_iter();
        let mut next = || texts.next().unwrap_or_default();
        Ok(match self.kind {
            Kind::Texts => Examples::Texts(next(), teacher),
            Kind::Pairs => Examples::Pairs([next(), next()]),
            Kind::Scored => {
                let score = |(i, text): (usize, &String)| match text.trim().parse::<f32>() {
                    Ok(score) if score.is_finite() => Ok(score / self.top_score),
                    _ => Err(CliError::Score { number: i + 1, found: text.clone() }),
                };
                let scores = scores.iter().enumerate().map(score).collect::<Result<_, _>>()?;
                Examples::Scored([next(), next()], scores)
            }
            Kind::Triplets => Examples::Triplets([next(), next(), next()]),
        })
    }
}

/// What the user sees, and what is logged.
struct Told {
    log: File,
    bar: ProgressBar,
    start: Instant,
    spoken: Instant,
    examples: usize,
    left_out: usize,
    steps: usize,
    loss: f32,
}

/// Where no bar can be drawn, a line is written so often.
const BETWEEN_LINES: Duration = Duration::from_secs(30);

impl Told {
    fn new(path: &Path, append: bool) -> Result<Self, CliError> {
        let log = File::options().create(true).write(true).append(append).truncate(!append).open(path);
        let log = log.map_err(|source| CliError::Write { path: path.into(), source })?;
        let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} steps, {msg}, {eta} left");
        let bar = ProgressBar::new(0).with_style(style.expect("the template is valid"));
        let now = Instant::now();
        Ok(Self { log, bar, start: now, spoken: now, examples: 0, left_out: 0, steps: 0, loss: 0.0 })
    }

    fn tell(&mut self, event: &Event<'_>) {
        let line = match *event {
            Event::Start { steps, examples, left_out, resumed } => {
                (self.examples, self.left_out, self.steps) = (examples, left_out, steps);
                self.bar.set_length(steps as u64);
                self.bar.set_position(resumed as u64);
                let more = if left_out > 0 {
                    format!("; {left_out} without tokens or with a vector of zeros are left out")
                } else {
                    String::new()
                };
                let again = if resumed > 0 { format!("; going on after step {resumed}") } else { String::new() };
                self.bar.suspend(|| eprintln!("{examples} examples, {steps} steps{more}{again}"));
                json!({ "event": "start", "examples": examples, "left_out": left_out, "steps": steps, "resumed": resumed })
            }
            Event::Interval { step, loss, learning_rate, per_second } => {
                self.loss = loss;
                self.bar.set_position(step as u64);
                self.bar.set_message(format!("loss {loss:.4}, {per_second:.0} examples/s"));
                if !std::io::stderr().is_terminal() && self.spoken.elapsed() > BETWEEN_LINES {
                    self.spoken = Instant::now();
                    eprintln!("step {step} of {}: loss {loss:.4}, {per_second:.0} examples/s", self.steps);
                }
                json!({ "event": "interval", "step": step, "loss": loss, "learning_rate": learning_rate, "per_second": per_second })
            }
            Event::Epoch { epoch, seconds, .. } => {
                let loss = self.loss;
                self.bar.suspend(|| eprintln!("epoch {epoch} after {seconds:.0} s: loss {loss:.4}"));
                json!({ "event": "epoch", "epoch": epoch, "seconds": seconds })
            }
        };
        let _ = writeln!(self.log, "{line}"); // a log that cannot be written is no reason to stop
    }
}

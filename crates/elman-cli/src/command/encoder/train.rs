use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use elman::{
    burn::tensor::Device,
    embedding::{
        VectorFile,
        encoder::{EncoderModel, Files, StoredDtype},
        train::{Event, Training},
    },
    text::{Corpus, TextTokenizer, Tokenizer, TokenizerConfig, Unit},
};
use serde::Serialize;

use super::{
    examples::{ExampleOptions, Task},
    options::{NetworkOptions, ObjectiveOptions, TrainingOptions, settings},
    reporter::TrainingReporter,
};
use crate::{
    arguments::{DeviceOption, one_of},
    command::train::{command_line, interrupt_flag},
    error::CliError,
    model::OutOption,
    output,
};

/// Train a sentence encoder, a network that computes embeddings of texts.
///
/// Trains on a teacher's embeddings, on pairs or triplets of texts, on scored pairs, or on texts alone. Ctrl-C stops
/// after the current step and writes a checkpoint; the same command with --resume continues.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  Distill another model, from its vectors of the same lines:
    elman encoder train notes.txt --teacher notes.npy --tokenizer tokenizer.json --out notes-encoder
  Train on questions and answers, in two columns:
    elman encoder train pairs.tsv --task pairs --out faq-encoder
  Adapt the built-in encoder to a collection of texts:
    elman encoder train notes.txt --from elman-small-en --lr 0.0001 --out notes-encoder

File formats:
  .txt             one text per line
  .tsv, .csv       columns text; anchor, positive, negative; or sentence1, sentence2, score: by name, or in this order
  .jsonl, .ndjson  one object with these names, or an array, per line
  .parquet         columns with these names
All but .parquet may be gzip-compressed (.gz).")]
pub struct Train {
    #[command(flatten)]
    examples: ExampleOptions,

    /// Teacher's vectors of the texts, one for each line: a .npy or .safetensors file
    #[arg(long, value_name = "FILE")]
    teacher: Option<PathBuf>,

    /// Encoder to start from: a directory, or elman-small-en, the built-in encoder
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,

    #[command(flatten)]
    out: OutOption,

    /// Resume from the checkpoint in the output directory; start from the beginning if there is none
    #[arg(long, conflicts_with = "force")]
    resume: bool,

    /// Minutes between checkpoints
    #[arg(long, value_name = "N", default_value_t = 10)]
    checkpoint_every: u64,

    /// Dtype of the saved weights
    #[arg(long, value_name = "DTYPE", default_value = "f32", value_parser = one_of::<StoredDtype, _>(&["f32", "f16", "int8"]))]
    weight_dtype: StoredDtype,

    /// Random seed of the initial weights, of dropout and of the batches
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    #[command(flatten)]
    device: DeviceOption,

    /// Print a summary as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    network: NetworkOptions,
    #[command(flatten)]
    training: TrainingOptions,
    #[command(flatten)]
    objectives: ObjectiveOptions,
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
        self.network.config(1, self.network.dropout.unwrap_or(0.0)).validate()?;
        let checkpoint = self.out.out.join(CHECKPOINT);
        match (checkpoint.exists(), self.resume) {
            (true, true) => {}
            (true, false) if !self.out.force => return Err(CliError::ExistingRun { path: self.out.out.clone() }),
            _ => self.out.check()?,
        }
        let device = self.device.open()?;
        device.seed(self.seed);

        let columns = self.examples.read()?;
        let (model, tokenizer) = self.model(&columns, &device)?;
        let teacher = self.teacher.as_ref().map(VectorFile::open).transpose()?;
        let examples = self.examples.tokenize(columns, teacher, &tokenizer, self.training.max_tokens)?;
        self.out.create()?;
        if !self.resume {
            let removed = fs::remove_file(&checkpoint);
            removed
                .or_else(|e| if e.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(e) })
                .map_err(|source| CliError::Write { path: checkpoint.clone(), source })?;
        }
        let mut reporter = TrainingReporter::new(&self.out.out.join(LOG), self.resume)?;
        let training = Training::new(model, &examples, &settings)
            .with_checkpoint(&checkpoint, Duration::from_secs(60 * self.checkpoint_every))
            .with_interrupt(interrupt_flag()?);
        let result = training.run(&mut |event| {
            if let Event::Epoch { model, .. } = &event {
                model.save(&self.out.out, &tokenizer, "", self.weight_dtype)?;
            }
            reporter.report(&event);
            Ok(())
        });
        result.map_err(|source| CliError::encoder_training(source, command_line()))?;
        let _ = fs::remove_file(&checkpoint); // the model is complete; a leftover checkpoint does no harm
        let TrainingReporter { examples, left_out, steps, loss, start, .. } = reporter;
        let seconds = start.elapsed().as_secs_f64();
        if self.json {
            return output::json(&Report { out: &self.out.out, examples, left_out, steps, loss, seconds });
        }
        let out = self.out.out.display();
        output::line(format!(
            "Encoder written to {out}. To use it:\n  elman embed notes.txt --model {out} -o notes.npy"
        ))
    }

    fn model(&self, columns: &[Vec<String>], device: &Device) -> Result<(EncoderModel, TextTokenizer), CliError> {
        let unsupervised = self.examples.task == Task::Texts && self.teacher.is_none();
        let dropout = self.network.dropout.unwrap_or(if unsupervised { 0.1 } else { 0.0 });
        if let Some(from) = &self.from {
            let built_in = from == Path::new(elman_small_en::NAME) && !from.exists();
            let files = if built_in { elman_small_en::files() } else { Files::read(from)? };
            let (model, tokenizer) = files.model(device)?;
            return Ok((model.with_dropout(dropout)?, tokenizer));
        }
        let tokenizer = match &self.network.tokenizer {
            Some(path) => TextTokenizer::load(path)?,
            None => self.train_tokenizer(columns)?,
        };
        let config = self.network.config(tokenizer.vocab_size(), dropout);
        let model = config.init(device)?;
        match &self.network.token_vectors {
            Some(path) => Ok((model.with_token_vectors(&VectorFile::open(path)?)?, tokenizer)),
            None => Ok((model, tokenizer)),
        }
    }

    /// Trains a BPE tokenizer on the texts. A corpus consists of files, so the texts are written to a temporary one.
    fn train_tokenizer(&self, columns: &[Vec<String>]) -> Result<TextTokenizer, CliError> {
        let texts = if self.examples.task == Task::Scored { &columns[..2] } else { columns };
        let path = self.out.out.join("texts.tmp");
        self.out.create()?;
        let write = || {
            let mut file = BufWriter::new(File::create(&path)?);
            texts.iter().flatten().try_for_each(|text| writeln!(file, "{text}"))?;
            file.flush()
        };
        let tokenizer = write().map_err(|source| CliError::Write { path: path.clone(), source }).and_then(|()| {
            let corpus = Corpus::open([&path])?;
            Ok(TokenizerConfig::new(Unit::Bpe).with_vocab_size(self.network.vocab_size).train(&corpus)?)
        });
        let _ = fs::remove_file(&path);
        tokenizer
    }
}

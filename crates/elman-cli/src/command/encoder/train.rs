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
    examples::{ExampleOptions, Kind},
    options::{NetworkOptions, ObjectiveOptions, TrainingOptions, settings},
    told::Told,
};
use crate::{
    arguments::{DeviceOption, one_of},
    command::train::{command_line, interrupt_flag},
    error::CliError,
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
  Adapt the encoder that comes with the program to texts of one's own, which have nothing but themselves:
    elman encoder train notes.txt --from elman-small-en --lr 0.0001 --out notes-encoder

Kinds of file:
  .txt             a text per line
  .tsv, .csv       columns in the order above, or in any order under the names text; anchor, positive, negative;
                   sentence1, sentence2, score
  .jsonl, .ndjson  an object with these names, or a list, per line
  .parquet         columns of these names
All but .parquet may be followed by .gz.")]
pub struct Train {
    #[command(flatten)]
    examples: ExampleOptions,

    /// The teacher's vectors of the texts, one for each line: a .npy or .safetensors file
    #[arg(long, value_name = "FILE")]
    teacher: Option<PathBuf>,

    /// An encoder to begin with: a directory, or elman-small-en, which comes with the program
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
    #[arg(long, value_name = "TYPE", default_value = "f32", value_parser = one_of::<StoredDtype, _>(&["f32", "f16", "int8"]))]
    weights: StoredDtype,

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
            (true, false) if !self.out.force => return Err(CliError::Unfinished { path: self.out.out.clone() }),
            _ => self.out.check()?,
        }
        let device = self.device.open()?;
        device.seed(self.seed);

        let columns = self.examples.read()?;
        let (model, tokenizer) = self.model(&columns, &device)?;
        let teacher = self.teacher.as_ref().map(VectorFile::open).transpose()?;
        let examples = self.examples.of(columns, teacher, &tokenizer, self.training.longest)?;
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

    fn model(&self, columns: &[Vec<String>], device: &Device) -> Result<(EncoderModel, TextTokenizer), CliError> {
        let alone = self.examples.kind == Kind::Texts && self.teacher.is_none();
        let dropout = self.network.dropout.unwrap_or(if alone { 0.1 } else { 0.0 });
        if let Some(from) = &self.from {
            let built_in = from == Path::new(elman_small_en::NAME) && !from.exists();
            let files = if built_in { elman_small_en::files() } else { Files::read(from)? };
            let (model, tokenizer) = files.model(device)?;
            return Ok((model.with_dropout(dropout)?, tokenizer));
        }
        let tokenizer = match &self.network.tokenizer {
            Some(path) => TextTokenizer::load(path)?,
            None => self.learn_tokenizer(columns)?,
        };
        let config = self.network.config(tokenizer.vocab_size(), dropout);
        let model = config.init(device)?;
        match &self.network.token_vectors {
            Some(path) => Ok((model.with_token_vectors(&VectorFile::open(path)?)?, tokenizer)),
            None => Ok((model, tokenizer)),
        }
    }

    /// Learns pieces of words from the texts. A corpus is a file, so they are written to one first.
    fn learn_tokenizer(&self, columns: &[Vec<String>]) -> Result<TextTokenizer, CliError> {
        let texts = if self.examples.kind == Kind::Scored { &columns[..2] } else { columns };
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
}

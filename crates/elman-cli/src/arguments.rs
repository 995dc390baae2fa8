use clap::{Args, Parser, Subcommand, builder::PossibleValuesParser, builder::TypedValueParser};
use elman::{
    burn::tensor::Device,
    recurrence::{
        EnvironmentError,
        packed::{UnknownWeightDtype, WeightDtype},
    },
    text::Encoding,
};

use crate::{
    command::{
        classify::Classify, demo::Demo, devices::Devices, embed::Embed, encoder::Encoder, eval::Eval,
        generate::Generate, import::Import, index::Index, search::Search, store::Store, train::Train,
    },
    error::CliError,
};

/// Train recurrent networks on text; generate, embed, search and classify with them.
///
/// A network that predicts the next word of a text can generate more of it, and its hidden states are embeddings of
/// texts. Everything runs locally, on the CPU or a GPU.
#[derive(Debug, Parser)]
#[command(
    name = "elman",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "\
Getting started:
  elman train notes.txt --out notes-model
  elman generate --model notes-model --prompt \"The\"
  elman index notes.txt --model notes-model --store notes-index
  elman search \"a question\" --store notes-index

See 'elman COMMAND --help' for the options of a command."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(Demo),
    Train(Box<Train>),
    Eval(Eval),
    Generate(Generate),
    Embed(Embed),
    Encoder(Encoder),
    Index(Index),
    Search(Search),
    Store(Store),
    Classify(Classify),
    Import(Import),
    Devices(Devices),
}

impl Cli {
    /// Runs the chosen command.
    pub fn run(&self) -> Result<(), CliError> {
        // later uses ignore invalid values
        EnvironmentError::check()?;
        match &self.command {
            Command::Demo(command) => command.run(),
            Command::Train(command) => command.run(),
            Command::Eval(command) => command.run(),
            Command::Generate(command) => command.run(),
            Command::Embed(command) => command.run(),
            Command::Encoder(command) => command.run(),
            Command::Index(command) => command.run(),
            Command::Search(command) => command.run(),
            Command::Store(command) => command.run(),
            Command::Classify(command) => command.run(),
            Command::Import(command) => command.run(),
            Command::Devices(command) => command.run(),
        }
    }
}

/// The device option of all commands that run a model.
#[derive(Args, Debug)]
pub struct DeviceOption {
    /// Device: auto (a GPU if this build supports one, else the CPU), or a name that 'elman devices' lists
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: String,
}

impl DeviceOption {
    /// Opens the device.
    pub fn open(&self) -> Result<Device, CliError> {
        Ok(elman::device(&self.device)?)
    }

    /// The name as given on the command line.
    pub fn name(&self) -> &str {
        &self.device
    }
}

/// The encoding option of commands that read text files.
#[derive(Args, Debug)]
pub struct EncodingOption {
    /// Encoding of files without a byte order mark: utf-8, utf-16le, windows-1252, iso-8859-2, shift_jis, gbk, …
    #[arg(long = "encoding", value_name = "NAME", default_value = "utf-8")]
    pub name: Encoding,
}

/// The weight dtype option of commands that run a language model.
#[derive(Args, Debug)]
pub struct WeightDtypeOption {
    /// Dtype of the weights in memory: f32, bf16 (half the memory) or int8 (a quarter); bf16 and int8 run on the CPU
    #[arg(long, value_name = "DTYPE", default_value = "f32", value_parser = one_of::<WeightDtype, UnknownWeightDtype>(&["f32", "bf16", "int8"]))]
    weight_dtype: WeightDtype,
}

impl WeightDtypeOption {
    /// The dtype to pack the weights in; `None` for f32, which needs no packing.
    pub fn packed(&self) -> Option<WeightDtype> {
        Some(self.weight_dtype).filter(|dtype| *dtype != WeightDtype::F32)
    }
}

/// A parser of a fixed list of names, which `--help` and errors list.
pub fn one_of<T, E>(names: &[&'static str]) -> impl TypedValueParser<Value = T> + use<T, E>
where
    T: std::str::FromStr<Err = E> + Clone + Send + Sync + 'static,
    E: std::error::Error + Send + Sync + 'static,
{
    PossibleValuesParser::new(names.to_vec()).try_map(|name| name.parse::<T>())
}

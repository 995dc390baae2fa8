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

/// Train a recurrent network on text; generate, embed and search with it.
///
/// A network that has learned to predict the next word of your text can write more of it, and its hidden state tells
/// which texts are alike. Everything runs on this machine, on a processor or a graphics card.
#[derive(Debug, Parser)]
#[command(
    name = "elman",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "\
To begin, with a text file of your own:
  elman train notes.txt --out notes-model
  elman generate --model notes-model --prompt \"The\"
  elman index notes.txt --model notes-model --store notes-index
  elman search \"what I look for\" --store notes-index

'elman COMMAND --help' explains a command and its options."
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
        // a wrong name would be passed over silently later
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

/// The option that every command has which computes.
#[derive(Args, Debug)]
pub struct DeviceOption {
    /// Where to compute: auto (a graphics card if this build can use one, else the processor), or a name
    /// that 'elman devices' lists
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: String,
}

impl DeviceOption {
    /// The device of that name.
    pub fn open(&self) -> Result<Device, CliError> {
        Ok(elman::device(&self.device)?)
    }

    /// The name as it was given.
    pub fn name(&self) -> &str {
        &self.device
    }
}

/// The option of commands that read texts.
#[derive(Args, Debug)]
pub struct EncodingOption {
    /// How texts are encoded that have no byte order mark: utf-8, utf-16le, windows-1252, iso-8859-2, shift_jis, gbk, …
    #[arg(long = "encoding", value_name = "NAME", default_value = "utf-8")]
    pub name: Encoding,
}

/// The option of commands that read with a trained model.
#[derive(Args, Debug)]
pub struct PrecisionOption {
    /// In how many bits the weights are kept while reading: f32, bf16 (half the memory) or int8 (a quarter); the latter
    /// two always compute on the processor
    #[arg(long, value_name = "PRECISION", default_value = "f32", value_parser = one_of::<WeightDtype, UnknownWeightDtype>(&["f32", "bf16", "int8"]))]
    precision: WeightDtype,
}

impl PrecisionOption {
    /// The precision, if it is not that of the weights.
    pub fn narrow(&self) -> Option<WeightDtype> {
        Some(self.precision).filter(|precision| *precision != WeightDtype::F32)
    }
}

/// Parses one of some names, which `--help` lists and a typing error is compared with.
pub fn one_of<T, E>(names: &[&'static str]) -> impl TypedValueParser<Value = T> + use<T, E>
where
    T: std::str::FromStr<Err = E> + Clone + Send + Sync + 'static,
    E: std::error::Error + Send + Sync + 'static,
{
    PossibleValuesParser::new(names.to_vec()).try_map(|name| name.parse::<T>())
}

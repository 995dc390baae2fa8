use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    path::PathBuf,
};

use burn::{module::Module, tensor::Device};
use elman_recurrence::{ImportError, RecurrentModel, StateDict, Vocabulary};
use elman_text::{TextTokenizer, Tokenizer};

use crate::{
    directory::{WEIGHTS, read_description},
    error::LmError,
    model::LanguageModel,
};

/// The names that programs give to an embedding, and to an output layer.
const EMBEDDING: [&str; 7] = ["embedding", "encoder", "embed", "emb", "embeddings", "word_embeddings", "wte"];
const OUTPUT: [&str; 7] = ["output", "decoder", "head", "lm_head", "fc", "linear", "out"];

/// Makes a model of weights that were trained elsewhere.
///
/// ```no_run
/// use burn::tensor::Device;
/// use elman_lm::Import;
///
/// let import = Import::new("checkpoint.pt", "config.json", "tokenizer.json").with_prefix("ema");
/// let imported = import.load(&Device::flex())?;
/// imported.notes.iter().for_each(|note| println!("{note}"));
/// # Ok::<(), elman_lm::LmError>(())
/// ```
///
/// The weights are a `.safetensors` file or one that PyTorch saved, whatever it wraps them in: see
/// [`StateDict::find_model`]. The recurrent layers may have any name. The embedding is called `embedding.weight`, or
/// `encoder`, `embed`, `emb`, `embeddings`, `word_embeddings`, `wte`; the output `output.weight` and `output.bias`, or
/// `decoder`, `head`, `lm_head`, `fc`, `linear`, `out`. A tied model's output weight repeats the embedding's and is left
/// out.
#[derive(Debug, Clone)]
pub struct Import {
    weights: PathBuf,
    config: PathBuf,
    tokenizer: PathBuf,
    prefix: Option<String>,
}

/// A model of weights that were trained elsewhere, and what is to be known about it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Imported {
    /// The model.
    pub model: LanguageModel,
    /// Its tokenizer.
    pub tokenizer: TextTokenizer,
    /// What is unusual.
    pub notes: Vec<ImportNote>,
}

/// Something that does not keep weights from being imported, and that their owner should know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImportNote {
    /// Tensors of the file that are no part of the model: names up to the first dot, and how many each has.
    NotUsed(BTreeMap<String, usize>),
    /// Nothing in the file says which token has which number.
    OrderUnknown,
}

impl fmt::Display for ImportNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUsed(groups) => {
                let group = |(name, count): (&String, &usize)| match count {
                    1 => name.clone(),
                    count => format!("{name} ({count})"),
                };
                write!(f, "tensors beside the model were not used: {}", groups.iter().map(group).collect::<Vec<_>>().join(", "))
            }
            Self::OrderUnknown => f.write_str(
                "the weights do not say which token has which number, so a tokenizer of another order cannot be noticed; \
                 measure the model on a text ('elman eval') and compare the loss with that of training",
            ),
        }
    }
}

impl Import {
    /// Of a weights file, a `config.json` and a `tokenizer.json`.
    pub fn new(weights: impl Into<PathBuf>, config: impl Into<PathBuf>, tokenizer: impl Into<PathBuf>) -> Self {
        Self { weights: weights.into(), config: config.into(), tokenizer: tokenizer.into(), prefix: None }
    }

    /// Takes only the tensors whose names in the file begin with `prefix` and a dot.
    #[must_use]
    pub fn with_prefix(self, prefix: impl Into<String>) -> Self {
        Self { prefix: Some(prefix.into()), ..self }
    }

    /// Reads the files.
    ///
    /// # Errors
    /// As [`LanguageModel::load_dir`] for the configuration and the tokenizer; [`LmError::Weights`] where the weights cannot
    /// be read, do not fit them or could be meant in two ways; [`LmError::NotTied`], [`LmError::TokenOrder`].
    pub fn load(&self, device: &Device) -> Result<Imported, LmError> {
        let (config, tokenizer) = read_description(&self.config, &self.tokenizer)?;
        config.check_size(&self.weights, size_of::<u16>())?; // 16-bit floats at the least
        let mut file = StateDict::open(&self.weights)?;
        let mut notes = Vec::new();
        if !self.is_directory() && !self.order_is_known(file.vocabularies(), &tokenizer)? {
            notes.push(ImportNote::OrderUnknown);
        }
        if let Some(prefix) = &self.prefix {
            file = file.try_under(prefix.trim_end_matches('.'))?;
        }
        let RecurrentModel { weights, networks, in_file, others, .. } = file.find_model()?;
        let [network] = networks.as_slice() else {
            return Err(ImportError::Networks { path: self.weights.clone(), found: networks.join(", ") }.into());
        };
        if !others.is_empty() && self.prefix.is_none() {
            notes.push(not_used(&others, &in_file));
        }
        let mut weights = weights.rename(|name| Some(own_name(name, network)));
        if config.tied {
            weights = self.untie(weights)?;
        }
        let model = weights.load_into(config.init(device)?).map_err(|error| as_in_file(error, &in_file))?;
        Ok(Imported { model: model.valid(), tokenizer, notes })
    }

    /// Whether the files are those of one model directory, whose tokenizer is the model's.
    fn is_directory(&self) -> bool {
        self.weights.file_name().is_some_and(|name| name == WEIGHTS) && self.weights.parent() == self.tokenizer.parent()
    }

    /// Whether a vocabulary in the file has the tokenizer's tokens, in the same order.
    fn order_is_known(&self, vocabularies: &[Vocabulary], tokenizer: &TextTokenizer) -> Result<bool, LmError> {
        let mut known = false;
        for Vocabulary { name, tokens, .. } in vocabularies {
            let ids: Vec<Option<u32>> = tokens.iter().map(|token| tokenizer.token_to_id(token)).collect();
            let distinct = ids.iter().flatten().collect::<HashSet<_>>().len();
            // a list of other things, or tokens that are written in another way
            if tokens.len() != tokenizer.vocab_size() || distinct * 2 < tokens.len() {
                continue;
            }
            let other = ids.iter().enumerate().find_map(|(n, id)| id.filter(|id| *id as usize != n).map(|id| (n, id)));
            if let Some((there, here)) = other {
                let (path, token) = (self.tokenizer.clone(), tokens[there].clone());
                return Err(LmError::TokenOrder { path, token, here, name: name.clone(), there });
            }
            known = true;
        }
        Ok(known)
    }

    /// Leaves out the output's weight, which must be the embedding's.
    fn untie(&self, weights: StateDict) -> Result<StateDict, LmError> {
        if let (Some(output), Some(embedding)) = (weights.data("output.weight")?, weights.data("embedding.weight")?)
            && (output.shape() != embedding.shape() || !output.iter::<f32>().eq(embedding.iter::<f32>()))
        {
            return Err(LmError::NotTied { path: self.weights.clone() });
        }
        Ok(weights.rename(|name| (name != "output.weight").then(|| name.to_owned())))
    }
}

/// The tensors by what their names begin with; those that lie where the model does by their whole names.
fn not_used(names: &[String], in_file: &str) -> ImportNote {
    let first = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    let model = first(in_file);
    let mut groups = BTreeMap::new();
    for name in names {
        let group = first(name);
        *groups.entry(if group == model { name.clone() } else { group }).or_default() += 1;
    }
    ImportNote::NotUsed(groups)
}

/// `rnn.weight_ih_l0` → `network.weight_ih_l0`, where the file's network is `rnn`; `encoder.weight` → `embedding.weight`.
fn own_name(name: &str, network: &str) -> String {
    let weight = match network {
        // the model is a recurrent layer itself, whose weights have no module's name
        "" => (!name.contains('.')).then_some(name),
        network => name.strip_prefix(network).and_then(|rest| rest.strip_prefix('.')),
    };
    if let Some(weight) = weight {
        return format!("network.{weight}");
    }
    match name.split_once('.') {
        Some((module, weight)) if EMBEDDING.contains(&module) => format!("embedding.{weight}"),
        Some((module, weight)) if OUTPUT.contains(&module) => format!("output.{weight}"),
        _ => name.into(),
    }
}

/// Names a missing weight of the network as the file would.
fn as_in_file(error: ImportError, network: &str) -> ImportError {
    match error {
        ImportError::Missing { path, name, found } => {
            let name = match name.strip_prefix("network.") {
                Some(weight) if network.is_empty() => weight.to_owned(),
                Some(weight) => format!("{network}.{weight}"),
                None => name,
            };
            ImportError::Missing { path, name, found }
        }
        error => error,
    }
}

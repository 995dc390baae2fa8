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

/// Common module names of an embedding and of an output layer.
const EMBEDDING: [&str; 7] = ["embedding", "encoder", "embed", "emb", "embeddings", "word_embeddings", "wte"];
const OUTPUT: [&str; 7] = ["output", "decoder", "head", "lm_head", "fc", "linear", "out"];

/// Imports weights that were trained with another program.
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
/// The weights are a `.safetensors` file or a PyTorch checkpoint, possibly nested in other dictionaries: see
/// [`StateDict::find_model`]. The recurrent layers may have any name. The embedding is named `embedding.weight`, or
/// `encoder`, `embed`, `emb`, `embeddings`, `word_embeddings`, `wte`; the output `output.weight` and `output.bias`, or
/// `decoder`, `head`, `lm_head`, `fc`, `linear`, `out`. The output weight of a tied model duplicates the embedding's
/// and is dropped.
#[derive(Debug, Clone)]
pub struct Import {
    weights: PathBuf,
    config: PathBuf,
    tokenizer: PathBuf,
    prefix: Option<String>,
}

/// An imported model, with notes for the user.
#[derive(Debug)]
#[non_exhaustive]
pub struct Imported {
    /// The model.
    pub model: LanguageModel,
    /// Its tokenizer.
    pub tokenizer: TextTokenizer,
    /// What was unusual about the file.
    pub notes: Vec<ImportNote>,
}

/// A note about an import that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImportNote {
    /// Tensors of the file that are not part of the model: name prefixes up to the first dot, and the count of each.
    NotUsed(BTreeMap<String, usize>),
    /// The file has no vocabulary to check the token ids against.
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
                write!(
                    f,
                    "the file has tensors that are not part of the model, which were ignored: {}",
                    groups.iter().map(group).collect::<Vec<_>>().join(", ")
                )
            }
            Self::OrderUnknown => f.write_str(
                "the weights have no vocabulary, so a tokenizer with other token ids cannot be detected; \
                 evaluate the model on a text ('elman eval') and compare the loss with that of training",
            ),
        }
    }
}

impl Import {
    /// An import from a weights file, a `config.json` and a `tokenizer.json`.
    pub fn new(weights: impl Into<PathBuf>, config: impl Into<PathBuf>, tokenizer: impl Into<PathBuf>) -> Self {
        Self { weights: weights.into(), config: config.into(), tokenizer: tokenizer.into(), prefix: None }
    }

    /// Imports only the tensors whose names start with `prefix` and a dot.
    #[must_use]
    pub fn with_prefix(self, prefix: impl Into<String>) -> Self {
        Self { prefix: Some(prefix.into()), ..self }
    }

    /// Reads the files.
    ///
    /// # Errors
    /// Those of [`LanguageModel::load_dir`] for the configuration and the tokenizer; [`LmError::Weights`] if the
    /// weights cannot be read, do not fit or are ambiguous; [`LmError::NotTied`], [`LmError::TokenOrder`].
    pub fn load(&self, device: &Device) -> Result<Imported, LmError> {
        let (config, tokenizer) = read_description(&self.config, &self.tokenizer)?;
        config.check_size(&self.weights, size_of::<u16>())?; // f16 is the smallest dtype
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
        let mut weights = weights.rename(|name| Some(model_name(name, network)));
        if config.tied {
            weights = self.drop_tied_output(weights)?;
        }
        let model = weights.load_into(config.init(device)?).map_err(|error| with_name_in_file(error, &in_file))?;
        Ok(Imported { model: model.valid(), tokenizer, notes })
    }

    /// Whether the files are in one model directory, so that the tokenizer is known to be the model's.
    fn is_directory(&self) -> bool {
        self.weights.file_name().is_some_and(|name| name == WEIGHTS) && self.weights.parent() == self.tokenizer.parent()
    }

    /// Whether a vocabulary in the file has the tokenizer's tokens, in the same order.
    fn order_is_known(&self, vocabularies: &[Vocabulary], tokenizer: &TextTokenizer) -> Result<bool, LmError> {
        let mut known = false;
        for Vocabulary { name, tokens, .. } in vocabularies {
            let ids: Vec<Option<u32>> = tokens.iter().map(|token| tokenizer.token_to_id(token)).collect();
            let distinct = ids.iter().flatten().collect::<HashSet<_>>().len();
            // not a list of tokens, or tokens that are spelled differently
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

    /// Drops the output weight, which must equal the embedding's.
    fn drop_tied_output(&self, weights: StateDict) -> Result<StateDict, LmError> {
        if let (Some(output), Some(embedding)) = (weights.data("output.weight")?, weights.data("embedding.weight")?)
            && (output.shape() != embedding.shape() || !output.iter::<f32>().eq(embedding.iter::<f32>()))
        {
            return Err(LmError::NotTied { path: self.weights.clone() });
        }
        Ok(weights.rename(|name| (name != "output.weight").then(|| name.to_owned())))
    }
}

/// Groups tensors by the first part of their names. Tensors with the same first part as the model are listed by full
/// name.
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

/// Renames `rnn.weight_ih_l0` to `network.weight_ih_l0` if `network` is `rnn`, and `encoder.weight` to
/// `embedding.weight`.
fn model_name(name: &str, network: &str) -> String {
    let weight = match network {
        // the model is the recurrent layer itself, so its weights have no module prefix
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

/// Replaces the name of a missing weight of the network by its name in the file.
fn with_name_in_file(error: ImportError, network: &str) -> ImportError {
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

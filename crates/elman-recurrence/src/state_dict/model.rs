use std::collections::BTreeSet;

use super::{Entry, StateDict, Tensors, forms, names::split, shorten};
use crate::error::ImportError;

/// Modules around the recurrent layers that are looked at.
const MAX_AROUND: usize = 16;

/// The weights of a model with recurrent layers, as [`StateDict::find_model`] finds them in a file.
#[non_exhaustive]
pub struct RecurrentModel {
    /// Its weights, named from the module on that holds the recurrent layers: `rnn.weight_ih_l0`, `decoder.weight`.
    pub weights: StateDict,
    /// The names of its recurrent layers in `weights`, such as `rnn`; empty where the model is one.
    pub networks: Vec<String>,
    /// What the file calls the first of them: `state_dict.model.rnn`.
    pub in_file: String,
    /// The file's names of tensors that are no part of the model, such as an optimizer's.
    pub others: Vec<String>,
}

impl RecurrentModel {
    /// The weights of its recurrent layers alone, which load into a layer: `weight_ih_l0` and so on.
    ///
    /// # Errors
    /// [`ImportError::Networks`] where the module holds several.
    pub fn into_network(self) -> Result<StateDict, ImportError> {
        match self.networks.as_slice() {
            [name] if name.is_empty() => Ok(self.weights),
            [name] => Ok(self.weights.under(name)),
            names => Err(ImportError::Networks { found: shorten(names.iter()), path: self.weights.path }),
        }
    }
}

impl StateDict {
    /// Finds the model's weights among what programs put around them.
    ///
    /// - The model is the module that holds the recurrent layers (whatever has a `weight_ih_l0`) and other weights, in
    ///   whatever dicts and modules it lies: `{"state_dict": …}`, `{"model": …, "optimizer": …}`, `model.` of Lightning.
    /// - Modules that only wrap another are left out wherever they stand: `module.` of DataParallel and WeightDrop,
    ///   `_orig_mod.` of `torch.compile`.
    /// - Weight normalization (`weight_hh_l0_g` and `_v`, or `parametrizations.weight_hh_l0.original0` and `1`) is
    ///   computed: g·v/‖v‖. Of a weight with dropout (AWD-LSTM) the trained one is taken, `weight_hh_l0_raw`.
    /// - Layers in a list (`rnns.0.weight_ih_l0`, `rnns.1.weight_ih_l0`) become those of one network
    ///   (`rnns.weight_ih_l0`, `rnns.weight_ih_l1`).
    ///
    /// ```no_run
    /// # use burn::tensor::Device;
    /// # use elman_recurrence::{LstmConfig, StateDict};
    /// // whatever PyTorch Lightning saved of a model with one nn.LSTM(128, 256)
    /// let weights = StateDict::open("last.ckpt")?.find_model()?.into_network()?;
    /// let lstm = weights.load_into(LstmConfig::new(128, 256).init(&Device::flex()))?;
    /// # Ok::<(), elman_recurrence::ImportError>(())
    /// ```
    ///
    /// Where only a part of the file is meant, take it first, by the names of the file: `under("ema")`.
    ///
    /// # Errors
    /// [`ImportError::NoModel`] where the file has no recurrent layers, [`ImportError::Models`] where more than one
    /// module holds some.
    pub fn find_model(self) -> Result<RecurrentModel, ImportError> {
        let plain = Self { tensors: forms::plain(self.tensors), ..self };
        let firsts: Vec<(&str, &str)> = (plain.tensors.iter())
            .filter_map(|(name, entries)| Some((name.as_str(), entries.first()?.in_file.as_str())))
            .filter(|(name, _)| split(name).1 == "weight_ih_l0")
            .collect();
        let Some((_, in_file)) = firsts.first() else {
            let found = shorten(plain.names_in_file().into_iter());
            return Err(ImportError::NoModel { path: plain.path, found });
        };
        let in_file = split(in_file).0.to_owned();
        let roots: BTreeSet<String> = firsts.iter().map(|(name, _)| split(split(name).0).0.to_owned()).collect();
        if roots.len() > 1 {
            let found = firsts.iter().map(|(_, in_file)| (*in_file).to_owned()).collect::<Vec<_>>();
            return Err(ImportError::Models { found: shorten(found.iter()), path: plain.path });
        }
        let networks: Vec<&str> = firsts.iter().map(|(name, _)| split(name).0).collect();
        let root = roots.into_iter().next().unwrap_or_default();
        let root = plain.outermost(&root, &networks).to_owned();
        let within = |name: &str| inner(name, &root).map(str::to_owned);
        let networks = networks.into_iter().map(|name| within(name).unwrap_or_default()).collect();
        let (mut weights, mut others) = (Tensors::new(), Vec::new());
        for (name, entries) in plain.tensors {
            let (part, other): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(is_weight);
            others.extend(other.into_iter().map(|entry| entry.in_file));
            match within(&name) {
                Some(name) if !is_state_of_training(&name) && !part.is_empty() => drop(weights.insert(name, part)),
                _ => others.extend(part.into_iter().map(|entry| entry.in_file)),
            }
        }
        let weights = Self { path: plain.path, tensors: weights, vocabularies: plain.vocabularies };
        Ok(RecurrentModel { networks, in_file, others, weights })
    }
}

impl StateDict {
    /// The module that holds weights besides those of the recurrent layers: `root` or the next one around it; `root` if
    /// there is none.
    fn outermost<'a>(&self, root: &'a str, networks: &[&str]) -> &'a str {
        let holds_more = |module: &str| {
            self.tensors.iter().any(|(name, entries)| {
                inner(name, module).is_some_and(|rest| !is_state_of_training(rest))
                    && networks.iter().all(|network| inner(name, network).is_none())
                    && entries.iter().any(is_weight)
            })
        };
        let around = |module: &&'a str| (!module.is_empty()).then(|| split(module).0);
        std::iter::successors(Some(root), around).take(MAX_AROUND).find(|module| holds_more(module)).unwrap_or(root)
    }
}

/// What a name is within a module.
fn inner<'a>(name: &'a str, module: &str) -> Option<&'a str> {
    if module.is_empty() { Some(name) } else { name.strip_prefix(module)?.strip_prefix('.') }
}

/// Counters and masks are integers or booleans, losses have no dimension.
fn is_weight(entry: &Entry) -> bool {
    entry.tensor.dtype.is_float() && !entry.tensor.shape.is_empty()
}

/// Whether it belongs to an optimizer that was saved beside the weights.
fn is_state_of_training(name: &str) -> bool {
    name.split_once('.').is_some_and(|(first, _)| first.starts_with("optim"))
}

use std::collections::BTreeSet;

use super::{Entry, StateDict, Tensors, forms, names::split, shorten};
use crate::error::ImportError;

/// Maximum number of enclosing modules of the recurrent layers that are searched.
const MAX_ENCLOSING: usize = 16;

/// The weights of a model with recurrent layers, found by [`StateDict::find_model`].
#[non_exhaustive]
pub struct RecurrentModel {
    /// Its weights. Names are relative to the module that contains the recurrent layers: `rnn.weight_ih_l0`,
    /// `decoder.weight`.
    pub weights: StateDict,
    /// The names of its recurrent networks in `weights`, such as `rnn`; an empty name if the model itself is one.
    pub networks: Vec<String>,
    /// The name of the first of them in the file: `state_dict.model.rnn`.
    pub in_file: String,
    /// The names in the file of tensors that are not part of the model, such as an optimizer's.
    pub others: Vec<String>,
}

impl RecurrentModel {
    /// Only the weights of its recurrent network, which load into a layer: `weight_ih_l0` and so on.
    ///
    /// # Errors
    /// [`ImportError::Networks`] if the module contains several networks.
    pub fn into_network(self) -> Result<StateDict, ImportError> {
        match self.networks.as_slice() {
            [name] if name.is_empty() => Ok(self.weights),
            [name] => Ok(self.weights.under(name)),
            names => Err(ImportError::Networks { found: shorten(names.iter()), path: self.weights.path }),
        }
    }
}

impl StateDict {
    /// Finds the weights of a model in a checkpoint.
    ///
    /// - The model is the module that contains the recurrent layers (any module with a `weight_ih_l0`) and other
    ///   weights, at any depth of dicts and modules: `{"state_dict": …}`, `{"model": …, "optimizer": …}`, `model.` of
    ///   Lightning.
    /// - Names of wrapper modules are removed at any position: `module.` of DataParallel and WeightDrop, `_orig_mod.`
    ///   of `torch.compile`.
    /// - Weight normalization (`weight_hh_l0_g` and `_v`, or `parametrizations.weight_hh_l0.original0` and `1`) is
    ///   computed: g·v/‖v‖. For weights with dropout (AWD-LSTM), the trained weight `weight_hh_l0_raw` is used.
    /// - Layers in a list (`rnns.0.weight_ih_l0`, `rnns.1.weight_ih_l0`) become the layers of one network
    ///   (`rnns.weight_ih_l0`, `rnns.weight_ih_l1`).
    ///
    /// ```no_run
    /// # use burn::tensor::Device;
    /// # use elman_recurrence::{LstmConfig, StateDict};
    /// // a checkpoint by PyTorch Lightning of a model with one nn.LSTM(128, 256)
    /// let weights = StateDict::open("last.ckpt")?.find_model()?.into_network()?;
    /// let lstm = weights.load_into(LstmConfig::new(128, 256).init(&Device::flex()))?;
    /// # Ok::<(), elman_recurrence::ImportError>(())
    /// ```
    ///
    /// To search only a part of the file, select it by its prefix in the file first: `under("ema")`.
    ///
    /// # Errors
    /// [`ImportError::NoModel`] if the file has no recurrent layers, [`ImportError::Models`] if more than one module
    /// contains recurrent layers.
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
        let root = plain.model_root(&root, &networks).to_owned();
        let within = |name: &str| inner(name, &root).map(str::to_owned);
        let networks = networks.into_iter().map(|name| within(name).unwrap_or_default()).collect();
        let (mut weights, mut others) = (Tensors::new(), Vec::new());
        for (name, entries) in plain.tensors {
            let (part, other): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(is_weight);
            others.extend(other.into_iter().map(|entry| entry.in_file));
            match within(&name) {
                Some(name) if !is_optimizer_state(&name) && !part.is_empty() => drop(weights.insert(name, part)),
                _ => others.extend(part.into_iter().map(|entry| entry.in_file)),
            }
        }
        let weights = Self { path: plain.path, tensors: weights, vocabularies: plain.vocabularies };
        Ok(RecurrentModel { networks, in_file, others, weights })
    }
}

impl StateDict {
    /// The innermost module, from `root` outward, that contains weights other than those of the recurrent layers;
    /// `root` if there is none.
    fn model_root<'a>(&self, root: &'a str, networks: &[&str]) -> &'a str {
        let has_other_weights = |module: &str| {
            self.tensors.iter().any(|(name, entries)| {
                inner(name, module).is_some_and(|rest| !is_optimizer_state(rest))
                    && networks.iter().all(|network| inner(name, network).is_none())
                    && entries.iter().any(is_weight)
            })
        };
        let enclosing = |module: &&'a str| (!module.is_empty()).then(|| split(module).0);
        std::iter::successors(Some(root), enclosing)
            .take(MAX_ENCLOSING)
            .find(|module| has_other_weights(module))
            .unwrap_or(root)
    }
}

/// A name relative to a module; `None` if it is not in the module.
fn inner<'a>(name: &'a str, module: &str) -> Option<&'a str> {
    if module.is_empty() { Some(name) } else { name.strip_prefix(module)?.strip_prefix('.') }
}

/// Whether a tensor can be a weight: counters and masks are integers or booleans, losses are scalars.
fn is_weight(entry: &Entry) -> bool {
    entry.tensor.dtype.is_float() && !entry.tensor.shape.is_empty()
}

/// Whether a tensor is the state of an optimizer.
fn is_optimizer_state(name: &str) -> bool {
    name.split_once('.').is_some_and(|(first, _)| first.starts_with("optim"))
}

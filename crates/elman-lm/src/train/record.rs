//! Parameters and an optimizer's state as bytes, for checkpoints. What is read is compared with the module before burn sees
//! it, which trusts its files: names, shapes, ids, counters, and that every number is finite.

use std::collections::{HashMap, HashSet};

use burn::{
    module::Module,
    optim::{ModuleOptimizer, record::OptimizerRecord},
    store::{ModuleRecord, burn_pack},
    tensor::{Bytes, DType},
};

use super::Optimizer;

/// A module's parameters, with burn's ids, which an optimizer's state refers to.
///
/// # Errors
/// burn's reason.
pub fn pack_module<M: Module>(module: &M) -> Result<Vec<u8>, String> {
    Ok(module.clone().into_record().into_bytes().map_err(one_line)?.to_vec())
}

/// Puts what [`pack_module`] made into a module of the same structure.
///
/// # Errors
/// What is wrong with the bytes: damage, other parameters than the module's, numbers that are not finite.
pub fn unpack_module<M: Module>(bytes: &[u8], into: M) -> Result<M, String> {
    let (found, wanted) = (tensors(bytes)?, tensors(&pack_module(&into)?)?);
    if found.len() != wanted.len() {
        return Err(format!("it has {} parameters, and the model {}", found.len(), wanted.len()));
    }
    let mut ids = HashSet::new();
    for (found, wanted) in found.into_iter().zip(wanted) {
        if found.name != wanted.name {
            return Err(format!("it has a parameter '{}' in the place of '{}'", found.name, wanted.name));
        }
        check(&found, &wanted.shape)?;
        if !found.param_id.is_some_and(|id| ids.insert(id)) {
            return Err(format!("the id of '{}' is missing, or another parameter's", found.name));
        }
        finite(found)?;
    }
    let record = ModuleRecord::from_bytes(owned(bytes)).map_err(one_line)?;
    into.try_load_record(record).map_err(one_line)
}

/// An optimizer's state.
///
/// # Errors
/// burn's reason.
pub fn pack_optimizer(optimizer: &ModuleOptimizer) -> Result<Vec<u8>, String> {
    Ok(optimizer.into_bytes().map_err(one_line)?.to_vec())
}

/// The state that [`pack_optimizer`] made of an optimizer that had done `steps` steps with `module`.
///
/// # Errors
/// What is wrong with the bytes: damage, the state of other parameters, or of another optimizer.
pub fn unpack_optimizer<M: Module>(
    bytes: &[u8],
    kind: Optimizer,
    weight_decay: f64,
    module: &M,
    steps: usize,
) -> Result<ModuleOptimizer, String> {
    let parameters = tensors(&pack_module(module)?)?;
    let shapes: HashMap<u64, Vec<usize>> =
        parameters.iter().filter_map(|tensor| Some((tensor.param_id?, tensor.shape.to_vec()))).collect();
    // the parts of a parameter's state that have been found
    let mut parts: HashMap<u64, HashSet<String>> = HashMap::new();
    for (name, scalar) in reader(bytes)?.scalars() {
        let name = name.escape_debug().to_string();
        let (id, part) = split(&name)?;
        let shape = shapes.get(&id).ok_or_else(|| format!("its optimizer has '{name}' of no parameter"))?;
        let value = usize::try_from(*scalar).ok();
        let good = match part {
            RANK => value == Some(shape.len()),
            TIME => value.is_some_and(|time| (1..=steps).contains(&time)),
            _ => false,
        };
        if !good {
            return Err(format!("its optimizer's '{name}' cannot be {scalar:?}"));
        }
        parts.entry(id).or_default().insert(part.into());
    }
    for tensor in tensors(bytes)? {
        let (id, part) = split(&tensor.name)?;
        let shape = shapes.get(&id).filter(|_| tensor.param_id == Some(id));
        check(&tensor, shape.ok_or_else(|| format!("its optimizer has '{}' of no parameter", tensor.name))?)?;
        parts.entry(id).or_default().insert(part.into());
        let (name, is_square) = (tensor.name.clone(), part == SQUARES);
        if finite(tensor)? < 0.0 && is_square {
            return Err(format!("its optimizer's '{name}' has negative squares"));
        }
    }
    let wanted = match kind {
        Optimizer::Sgd => HashSet::from([RANK]),
        Optimizer::Adam | Optimizer::AdamW => HashSet::from([RANK, TIME, MEANS, SQUARES]),
    };
    let whole = |parts: &HashSet<String>| parts.iter().map(String::as_str).collect::<HashSet<_>>() == wanted;
    if !parts.values().all(whole) || (parts.is_empty() && steps > 0) {
        return Err(format!("its optimizer's state is not a whole one of {kind}"));
    }
    let record = OptimizerRecord::from_bytes(owned(bytes)).map_err(one_line)?;
    Ok(kind.init(weight_decay).load_record(record))
}

/// What burn calls the parts of a parameter's state.
const RANK: &str = "__rank";
const TIME: &str = "momentum.time";
const MEANS: &str = "momentum.moment_1";
const SQUARES: &str = "momentum.moment_2";

/// The parameter's id, and the part of its state.
fn split(name: &str) -> Result<(u64, &str), String> {
    let parts = name.split_once('.').and_then(|(id, part)| Some((id.parse().ok()?, part)));
    parts.ok_or_else(|| format!("its optimizer has '{name}' of no parameter"))
}

fn check(tensor: &burn_pack::Tensor, shape: &[usize]) -> Result<(), String> {
    if tensor.dtype != DType::F32 || tensor.shape[..] != *shape {
        let (name, found, dtype) = (&tensor.name, tensor.shape.to_vec(), tensor.dtype);
        return Err(format!("'{name}' is {found:?} of {dtype:?}, not {shape:?} of F32"));
    }
    Ok(())
}

/// The least number of a float32 tensor.
fn finite(tensor: burn_pack::Tensor) -> Result<f32, String> {
    let name = tensor.name.clone();
    let bytes = tensor.into_bytes().map_err(one_line)?;
    let mut values = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
    let least = values.try_fold(f32::INFINITY, |least, value| value.is_finite().then(|| least.min(value)));
    least.ok_or_else(|| format!("'{name}' has a number that is not finite"))
}

/// The tensors by name, which errors can show.
fn tensors(bytes: &[u8]) -> Result<Vec<burn_pack::Tensor>, String> {
    let mut tensors = reader(bytes)?.into_tensors().map_err(one_line)?;
    tensors.iter_mut().for_each(|tensor| tensor.name = tensor.name.escape_debug().to_string());
    Ok(tensors)
}

fn reader(bytes: &[u8]) -> Result<burn_pack::Reader, String> {
    burn_pack::Reader::from_bytes(owned(bytes)).map_err(one_line)
}

fn owned(bytes: &[u8]) -> Bytes {
    Bytes::from_bytes_vec(bytes.to_vec())
}

/// An error on one line.
pub fn one_line(error: impl std::fmt::Display) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

//! Parameters and optimizer states as bytes, for checkpoints. burn trusts its files, so loaded bytes are compared with
//! the module first: names, shapes, ids, counters, and that all values are finite.

use std::collections::{HashMap, HashSet};

use burn::{
    module::Module,
    optim::{ModuleOptimizer, record::OptimizerRecord},
    store::{ModuleRecord, burn_pack},
    tensor::{Bytes, DType},
};

use super::Optimizer;

/// Serializes a module's parameters with burn's ids, which optimizer states refer to.
///
/// # Errors
/// burn's message.
pub fn pack_module<M: Module>(module: &M) -> Result<Vec<u8>, String> {
    Ok(module.clone().into_record().into_bytes().map_err(elman_files::one_line)?.to_vec())
}

/// Loads the bytes of [`pack_module`] into a module of the same structure.
///
/// # Errors
/// A message if the bytes are damaged, belong to other parameters, or have values that are not finite.
pub fn unpack_module<M: Module>(bytes: &[u8], into: M) -> Result<M, String> {
    let (found, expected) = (tensors(bytes)?, tensors(&pack_module(&into)?)?);
    if found.len() != expected.len() {
        return Err(format!("it has {} parameters, and the model {}", found.len(), expected.len()));
    }
    let mut ids = HashSet::new();
    for (found, expected) in found.into_iter().zip(expected) {
        if found.name != expected.name {
            return Err(format!("it has a parameter '{}' instead of '{}'", found.name, expected.name));
        }
        check(&found, &expected.shape)?;
        if !found.param_id.is_some_and(|id| ids.insert(id)) {
            return Err(format!("the id of '{}' is missing or duplicate", found.name));
        }
        finite(found)?;
    }
    let record = ModuleRecord::from_bytes(owned(bytes)).map_err(elman_files::one_line)?;
    into.try_load_record(record).map_err(elman_files::one_line)
}

/// Serializes an optimizer's state.
///
/// # Errors
/// burn's message.
pub fn pack_optimizer(optimizer: &ModuleOptimizer) -> Result<Vec<u8>, String> {
    Ok(optimizer.into_bytes().map_err(elman_files::one_line)?.to_vec())
}

/// Loads the bytes of [`pack_optimizer`], made after `steps` steps on `module`.
///
/// # Errors
/// A message if the bytes are damaged, or the state of other parameters or another optimizer.
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
    // the parts found of each parameter's state
    let mut parts: HashMap<u64, HashSet<String>> = HashMap::new();
    for (name, scalar) in reader(bytes)?.scalars() {
        let name = name.escape_debug().to_string();
        let (id, part) = split(&name)?;
        let shape = shapes.get(&id).ok_or_else(|| unknown_parameter(&name))?;
        let value = usize::try_from(*scalar).ok();
        let good = match part {
            RANK => value == Some(shape.len()),
            TIME => value.is_some_and(|time| (1..=steps).contains(&time)),
            _ => false,
        };
        if !good {
            return Err(format!("invalid optimizer state '{name}': {scalar:?}"));
        }
        parts.entry(id).or_default().insert(part.into());
    }
    for tensor in tensors(bytes)? {
        let (id, part) = split(&tensor.name)?;
        let shape = shapes.get(&id).filter(|_| tensor.param_id == Some(id));
        check(&tensor, shape.ok_or_else(|| unknown_parameter(&tensor.name))?)?;
        parts.entry(id).or_default().insert(part.into());
        let (name, is_square) = (tensor.name.clone(), part == SQUARES);
        if finite(tensor)? < 0.0 && is_square {
            return Err(format!("invalid optimizer state '{name}': negative squares"));
        }
    }
    let expected = match kind {
        Optimizer::Sgd => HashSet::from([RANK]),
        Optimizer::Adam | Optimizer::AdamW => HashSet::from([RANK, TIME, MEANS, SQUARES]),
    };
    let complete = |parts: &HashSet<String>| parts.iter().map(String::as_str).collect::<HashSet<_>>() == expected;
    if !parts.values().all(complete) || (parts.is_empty() && steps > 0) {
        return Err(format!("its optimizer state is not a complete state of {kind}"));
    }
    let record = OptimizerRecord::from_bytes(owned(bytes)).map_err(elman_files::one_line)?;
    Ok(kind.init(weight_decay).load_record(record))
}

/// burn's names of the parts of a parameter's state.
const RANK: &str = "__rank";
const TIME: &str = "momentum.time";
const MEANS: &str = "momentum.moment_1";
const SQUARES: &str = "momentum.moment_2";

fn unknown_parameter(name: &str) -> String {
    format!("its optimizer has a state '{name}' of an unknown parameter")
}

/// Splits a name into the parameter's id and the part of its state.
fn split(name: &str) -> Result<(u64, &str), String> {
    let parts = name.split_once('.').and_then(|(id, part)| Some((id.parse().ok()?, part)));
    parts.ok_or_else(|| unknown_parameter(name))
}

fn check(tensor: &burn_pack::Tensor, shape: &[usize]) -> Result<(), String> {
    if tensor.dtype != DType::F32 || tensor.shape[..] != *shape {
        let (name, found, dtype) = (&tensor.name, tensor.shape.to_vec(), tensor.dtype);
        return Err(format!("'{name}' is {found:?} of {dtype:?}, not {shape:?} of F32"));
    }
    Ok(())
}

/// Checks that the values of an f32 tensor are finite, and returns the minimum.
fn finite(tensor: burn_pack::Tensor) -> Result<f32, String> {
    let name = tensor.name.clone();
    let bytes = tensor.into_bytes().map_err(elman_files::one_line)?;
    let mut values = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
    let min = values.try_fold(f32::INFINITY, |min, value| value.is_finite().then(|| min.min(value)));
    min.ok_or_else(|| format!("'{name}' has a value that is not finite"))
}

/// The tensors, with names escaped for error messages.
fn tensors(bytes: &[u8]) -> Result<Vec<burn_pack::Tensor>, String> {
    let mut tensors = reader(bytes)?.into_tensors().map_err(elman_files::one_line)?;
    tensors.iter_mut().for_each(|tensor| tensor.name = tensor.name.escape_debug().to_string());
    Ok(tensors)
}

fn reader(bytes: &[u8]) -> Result<burn_pack::Reader, String> {
    burn_pack::Reader::from_bytes(owned(bytes)).map_err(elman_files::one_line)
}

fn owned(bytes: &[u8]) -> Bytes {
    Bytes::from_bytes_vec(bytes.to_vec())
}

use std::{io, path::PathBuf};

use safetensors::SafeTensorError;

/// An error of saving or loading a [`State`](crate::State).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The file could not be written.
    #[error("cannot write the state '{}': {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
    /// The file could not be read.
    #[error("cannot read the state '{}': {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
    /// The file is damaged or is not a safetensors file.
    #[error("the state '{}' is not a valid safetensors file: {}", path.display(), elman_files::one_line(source))]
    Format {
        /// The file.
        path: PathBuf,
        /// The parser's error.
        source: SafeTensorError,
    },
    /// The tensors of the file are not those of a state.
    #[error("'{}' is not the state of a recurrent network: expected {expected}, found {found}", path.display())]
    Tensors {
        /// The file.
        path: PathBuf,
        /// What a state contains.
        expected: String,
        /// What the file contains.
        found: String,
    },
}

/// An error of importing or saving weights.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file could not be read.
    #[error("cannot read the weights '{}': {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
    /// The file could not be written.
    #[error("cannot write the weights '{}': {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
    /// The file name has no supported extension.
    #[error("the weights '{}' have an unknown format: expected a name ending in .safetensors, .pt, .pth, .bin, .ckpt or .tar", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
    },
    /// The file is damaged, or its format does not match its extension.
    #[error("the weights '{}' cannot be parsed: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The parser's error, on one line.
        reason: String,
    },
    /// A tensor that the network needs is missing.
    #[error("the weights '{}' have no tensor '{name}' (they have: {found})", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The expected name.
        name: String,
        /// The names in the file, shortened.
        found: String,
    },
    /// The file contains no recurrent layer.
    #[error("the weights '{}' have no recurrent layer: no tensor is named weight_ih_l0, rnn.weight_ih_l0 or similar (they have: {found})", path.display())]
    NoModel {
        /// The file.
        path: PathBuf,
        /// The names in the file, shortened.
        found: String,
    },
    /// More than one module of the file contains recurrent layers.
    #[error("the weights '{}' contain more than one model: {found}; choose one by the prefix of its names (--prefix)", path.display())]
    Models {
        /// The file.
        path: PathBuf,
        /// The first weight of each, shortened.
        found: String,
    },
    /// A module of the file contains several recurrent networks.
    #[error("the weights '{}' contain several recurrent networks in one module: {found}; only one can be loaded", path.display())]
    Networks {
        /// The file.
        path: PathBuf,
        /// Their names.
        found: String,
    },
    /// No name in the file begins with the given prefix.
    #[error("the weights '{}' have no tensor whose name begins with '{prefix}.' (they have: {found})", path.display())]
    Prefix {
        /// The file.
        path: PathBuf,
        /// The prefix.
        prefix: String,
        /// The names in the file, shortened.
        found: String,
    },
    /// More than one tensor has this name after renaming.
    #[error("the weights '{}' have more than one tensor that could be '{name}': {found}; save only one of them", path.display())]
    Ambiguous {
        /// The file.
        path: PathBuf,
        /// The expected name.
        name: String,
        /// The names in the file, and their shapes.
        found: String,
    },
    /// The shape of a tensor does not match the network.
    #[error("the weights '{}' do not match the network: '{name}' should be {expected:?} and is {found:?}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// The shape in the network.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// A weight is infinite or NaN as f32.
    #[error("the weights '{}' cannot be used: '{name}' has a value that is not finite; the file is damaged or the training diverged", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// The file has tensors under the prefix that the network does not have.
    #[error("the weights '{}' have tensors that the network lacks: {names} (do layers, directions, biases and projection match?)", path.display())]
    Unused {
        /// The file.
        path: PathBuf,
        /// Their names, shortened.
        names: String,
    },
}

/// An environment variable that this crate reads has an invalid value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// `ELMAN_CPU`, the CPU's instruction set.
    #[error("invalid environment variable ELMAN_CPU")]
    Cpu(#[from] elman_cpu::IsaError),
    /// `ELMAN_CUBE`, how scans are launched on GPUs.
    #[cfg(feature = "cube")]
    #[error("invalid environment variable ELMAN_CUBE")]
    Cube(#[from] elman_cube::UnknownDriver),
}

impl EnvironmentError {
    /// Checks all variables. Without this check, an invalid value is ignored.
    ///
    /// # Errors
    /// The first invalid value.
    pub fn check() -> Result<(), Self> {
        elman_cpu::Isa::named()?;
        #[cfg(feature = "cube")]
        elman_cube::Driver::named()?;
        Ok(())
    }
}

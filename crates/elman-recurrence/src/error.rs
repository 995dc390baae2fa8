use std::{io, path::PathBuf};

use safetensors::SafeTensorError;

/// Why a saved state could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The file could not be written.
    #[error("cannot write the state '{}': {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The file could not be read.
    #[error("cannot read the state '{}': {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The file is damaged or of another kind.
    #[error("the state '{}' is no valid safetensors file: {source}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The reader's reason.
        source: SafeTensorError,
    },
    /// The file's tensors do not make a state.
    #[error("the state '{}' is not one of a recurrent network: expected {expected}, found {found}", path.display())]
    Tensors {
        /// The file.
        path: PathBuf,
        /// What a state has.
        expected: String,
        /// What the file has.
        found: String,
    },
}

/// Why weights could not be imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file could not be read.
    #[error("cannot read the weights '{}': {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The file could not be written.
    #[error("cannot write the weights '{}': {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The file's name has none of the endings that are read.
    #[error("the weights '{}' are of no known format: expected a name ending in .safetensors, .pt, .pth, .bin, .ckpt or .tar", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
    },
    /// The file is damaged or of another kind than its name says.
    #[error("the weights '{}' cannot be parsed: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The reader's reason, on one line.
        reason: String,
    },
    /// A tensor that the network needs is not there.
    #[error("the weights '{}' have no tensor '{name}' (they have: {found})", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The name that was looked for.
        name: String,
        /// The names that are there, shortened.
        found: String,
    },
    /// Nothing in the file is a recurrent layer.
    #[error("the weights '{}' have no recurrent layer: no tensor is named weight_ih_l0, rnn.weight_ih_l0 or the like (they have: {found})", path.display())]
    NoModel {
        /// The file.
        path: PathBuf,
        /// The names that are there, shortened.
        found: String,
    },
    /// More than one module of the file holds recurrent layers.
    #[error("the weights '{}' hold more than one model: {found}; say which, by what its names begin with (--prefix)", path.display())]
    Models {
        /// The file.
        path: PathBuf,
        /// The first weight of each, shortened.
        found: String,
    },
    /// One module of the file holds several recurrent networks.
    #[error("the weights '{}' have several recurrent networks in one module: {found}; one can be loaded", path.display())]
    Networks {
        /// The file.
        path: PathBuf,
        /// Their names.
        found: String,
    },
    /// No name in the file begins with the prefix that was given.
    #[error("the weights '{}' have no tensor whose name begins with '{prefix}.' (they have: {found})", path.display())]
    Prefix {
        /// The file.
        path: PathBuf,
        /// The prefix.
        prefix: String,
        /// The names that are there, shortened.
        found: String,
    },
    /// More than one tensor could be meant.
    #[error("the weights '{}' have more than one tensor that could be '{name}': {found}; save them without the other", path.display())]
    Ambiguous {
        /// The file.
        path: PathBuf,
        /// The name that was looked for.
        name: String,
        /// The file's names and shapes.
        found: String,
    },
    /// A tensor has another shape than the network.
    #[error("the weights '{}' disagree with the network: '{name}' should be {expected:?} and is {found:?}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// The network's shape.
        expected: Vec<usize>,
        /// The file's shape.
        found: Vec<usize>,
    },
    /// A weight is infinite or NaN, in float32.
    #[error("the weights '{}' cannot be used: '{name}' has a number that is not finite; the file is damaged, or its training diverged", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// The file has tensors under the prefix that the network does not.
    #[error("the weights '{}' have tensors that the network lacks: {names} (another number of layers, or directions, a bias or a projection?)", path.display())]
    Unused {
        /// The file.
        path: PathBuf,
        /// Their names, shortened.
        names: String,
    },
}

/// An environment variable that this crate reads has a value that says nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// Of the processor's instruction set.
    #[error("the environment variable ELMAN_CPU is wrong")]
    Cpu(#[from] elman_cpu::IsaError),
    /// Of how walks are launched on graphics cards.
    #[cfg(feature = "cube")]
    #[error("the environment variable ELMAN_CUBE is wrong")]
    Cube(#[from] elman_cube::UnknownDriver),
}

impl EnvironmentError {
    /// Whether all variables say something; without this, one that does not is passed over.
    ///
    /// # Errors
    /// The first that does not.
    pub fn check() -> Result<(), Self> {
        elman_cpu::Isa::named()?;
        #[cfg(feature = "cube")]
        elman_cube::Driver::named()?;
        Ok(())
    }
}

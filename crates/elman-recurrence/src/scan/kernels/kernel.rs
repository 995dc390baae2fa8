use burn::tensor::{DType, Device};

use super::super::{Kernel, kernel_of};
use crate::cell::Cell;

/// The kernels of a cell for a kind of device.
#[derive(Clone, Debug)]
pub enum Kernels {
    /// For processors.
    #[cfg_attr(not(any(feature = "flex", feature = "ndarray")), allow(dead_code))]
    Processor(Kernel),
    /// For graphics cards.
    #[cfg(feature = "cube")]
    Cube(elman_cube::Kernel),
}

impl Kernels {
    /// Those that a cell has for a device, if any.
    ///
    /// # Panics
    /// If they have other gates or states than the cell.
    #[allow(unused_variables)] // where no backend is compiled in that has kernels of this kind
    pub fn of<C: Cell>(cell: &C, device: &Device) -> Option<Self> {
        #[cfg(any(feature = "flex", feature = "ndarray"))]
        if elman_layers::cpu::is_cpu(device) {
            return kernel_of(cell).map(Self::Processor);
        }
        #[cfg(feature = "cube")]
        if elman_layers::device::max_buffers(device).is_some_and(|most| most >= elman_cube::MAX_BUFFERS) {
            let kernel = cell.cube_kernel()?;
            assert_eq!(
                (kernel.gates(), kernel.states()),
                (C::GATES, C::STATES),
                "{cell:?}: gates and states of its kernel (left) are not the cell's"
            );
            return Some(Self::Cube(kernel));
        }
        None
    }

    pub fn gates(&self) -> usize {
        match self {
            Self::Processor(kernel) => kernel.gates(),
            #[cfg(feature = "cube")]
            Self::Cube(kernel) => kernel.gates(),
        }
    }

    pub fn states(&self) -> usize {
        match self {
            Self::Processor(kernel) => kernel.states(),
            #[cfg(feature = "cube")]
            Self::Cube(kernel) => kernel.states(),
        }
    }

    pub fn is_recurrent(&self) -> bool {
        match self {
            Self::Processor(kernel) => kernel.is_recurrent(),
            #[cfg(feature = "cube")]
            Self::Cube(kernel) => kernel.is_recurrent(),
        }
    }

    pub fn has_projection(&self) -> bool {
        match self {
            Self::Processor(kernel) => kernel.has_projection(),
            #[cfg(feature = "cube")]
            Self::Cube(kernel) => kernel.has_projection(),
        }
    }

    /// Whether the kernels read numbers of a type.
    pub fn reads(&self, dtype: DType) -> bool {
        match self {
            Self::Processor(_) => dtype == DType::F32,
            #[cfg(feature = "cube")]
            Self::Cube(_) => super::cube::number_of(dtype).is_some(),
        }
    }

    /// Whether both directions are best walked at once: on graphics cards, which one alone would not fill where a walk owns rows.
    /// Where there is no recurrent product, time itself is divided and fills them.
    #[cfg(feature = "cube")]
    pub fn walks_both_ways(&self) -> bool {
        matches!(self, Self::Cube(kernel) if kernel.is_recurrent())
    }

    /// Rows × time steps from which on the kernels are worth their while: those for processors pack the weights first, and
    /// those for graphics cards are fewer launches than single operations in any case.
    pub fn worth_from(&self) -> usize {
        match self {
            Self::Processor(kernel) if kernel.is_recurrent() => 8,
            Self::Processor(_) => 0,
            // nothing at all is nothing to launch
            #[cfg(feature = "cube")]
            Self::Cube(_) => 1,
        }
    }
}

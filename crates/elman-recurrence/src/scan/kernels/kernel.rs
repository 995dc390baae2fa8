use burn::tensor::{DType, Device};

use super::super::{Kernel, cpu_kernel};
use crate::cell::Cell;

/// The kernel of a cell for a kind of device.
#[derive(Clone, Debug)]
pub enum Kernels {
    /// For the CPU.
    #[cfg_attr(not(any(feature = "flex", feature = "ndarray")), allow(dead_code))]
    Cpu(Kernel),
    /// For GPUs.
    #[cfg(feature = "cube")]
    Cube(elman_cube::Kernel),
}

impl Kernels {
    /// The kernel of a cell for a device, if there is one.
    ///
    /// # Panics
    /// If it differs from the cell in the number of gates or states.
    #[allow(unused_variables)] // without a backend that has kernels
    pub fn for_device<C: Cell>(cell: &C, device: &Device) -> Option<Self> {
        #[cfg(any(feature = "flex", feature = "ndarray"))]
        if elman_layers::cpu::is_cpu(device) {
            return cpu_kernel(cell).map(Self::Cpu);
        }
        #[cfg(feature = "cube")]
        if elman_layers::device::max_buffers(device).is_some_and(|max| max >= elman_cube::MAX_BUFFERS) {
            let kernel = cell.cube_kernel()?;
            assert_eq!(
                (kernel.gates(), kernel.states()),
                (C::GATES, C::STATES),
                "{cell:?}: numbers of gates and states of its kernel (left) and of the cell (right) differ"
            );
            return Some(Self::Cube(kernel));
        }
        None
    }

    pub fn gates(&self) -> usize {
        match self {
            Self::Cpu(kernel) => kernel.gates(),
            #[cfg(feature = "cube")]
            Self::Cube(kernel) => kernel.gates(),
        }
    }

    pub fn states(&self) -> usize {
        match self {
            Self::Cpu(kernel) => kernel.states(),
            #[cfg(feature = "cube")]
            Self::Cube(kernel) => kernel.states(),
        }
    }

    pub fn is_recurrent(&self) -> bool {
        match self {
            Self::Cpu(kernel) => kernel.is_recurrent(),
            #[cfg(feature = "cube")]
            Self::Cube(kernel) => kernel.is_recurrent(),
        }
    }

    pub fn has_projection(&self) -> bool {
        match self {
            Self::Cpu(kernel) => kernel.has_projection(),
            #[cfg(feature = "cube")]
            Self::Cube(kernel) => kernel.has_projection(),
        }
    }

    /// Whether the kernel supports tensors of this dtype.
    pub fn supports_dtype(&self, dtype: DType) -> bool {
        match self {
            Self::Cpu(_) => dtype == DType::F32,
            #[cfg(feature = "cube")]
            Self::Cube(_) => super::cube::storage_dtype(dtype).is_some(),
        }
    }

    /// Whether both directions should run in one scan: on GPUs, whose kernels parallelize over rows, one direction
    /// alone would not fill the device. Cells without a recurrent product also parallelize over time and fill it.
    #[cfg(feature = "cube")]
    pub fn prefers_bidirectional(&self) -> bool {
        matches!(self, Self::Cube(kernel) if kernel.is_recurrent())
    }

    /// Minimum batch × time for the kernel. Below it, the reference is faster on the CPU, where the kernel packs the
    /// weights first; on GPUs, the kernel always needs fewer launches than the reference.
    pub fn min_batch_time(&self) -> usize {
        match self {
            Self::Cpu(kernel) if kernel.is_recurrent() => 8,
            Self::Cpu(_) => 0,
            // an empty scan launches nothing
            #[cfg(feature = "cube")]
            Self::Cube(_) => 1,
        }
    }
}

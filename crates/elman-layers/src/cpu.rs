//! CPU backends whose tensors kernels can read directly: for layers with their own kernels.

use std::ops::Deref;

use burn::{
    backend::{Backend, DispatchDevice, tensor::FloatTensor},
    tensor::{Device, Shape, TensorData},
};

/// Whether the device belongs to a [`CpuBackend`], with or without autodiff.
pub fn is_cpu(device: &Device) -> bool {
    match device.clone().without_autodiff().as_dispatch() {
        #[cfg(feature = "flex")]
        DispatchDevice::Flex(_) => true,
        #[cfg(feature = "ndarray")]
        DispatchDevice::NdArray(_) => true,
        #[allow(unreachable_patterns)] // if no other backend is compiled in
        _ => false,
    }
}

/// A backend whose tensors are in this process's memory.
pub trait CpuBackend: Backend {
    /// Values that are read where they are.
    type Values: Deref<Target = [f32]>;

    /// The values of an f32 tensor in row-major order; copied if its layout is another.
    fn values(tensor: FloatTensor<Self>) -> Self::Values;

    /// Whether the layout is row-major, so that [`values`](Self::values) need not copy them.
    fn is_row_major(tensor: &FloatTensor<Self>) -> bool;

    /// A tensor of these values.
    fn tensor(values: Vec<f32>, shape: impl Into<Shape>, device: &Self::Device) -> FloatTensor<Self> {
        Self::float_from_data(TensorData::new(values, shape), device)
    }
}

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::Flex;

    use super::*;

    /// A tensor in row-major order.
    #[derive(Debug)]
    pub struct Values(FloatTensor<Flex>);

    impl Deref for Values {
        type Target = [f32];

        fn deref(&self) -> &[f32] {
            self.0.as_slice().expect("a contiguous f32 tensor")
        }
    }

    impl CpuBackend for Flex {
        type Values = Values;

        fn values(tensor: FloatTensor<Self>) -> Values {
            Values(tensor.to_contiguous())
        }

        fn is_row_major(tensor: &FloatTensor<Self>) -> bool {
            tensor.is_contiguous()
        }
    }
}

#[cfg(feature = "ndarray")]
#[allow(deprecated)] // burn deprecates the backend; elman supports it
mod ndarray {
    use burn::backend::NdArray;
    use burn_ndarray::{NdArrayTensor, SharedArray};

    use super::*;

    /// An array in row-major order.
    #[derive(Debug)]
    pub struct Values(SharedArray<f32>);

    impl Deref for Values {
        type Target = [f32];

        fn deref(&self) -> &[f32] {
            self.0.as_slice().expect("an array in row-major order")
        }
    }

    impl CpuBackend for NdArray {
        type Values = Values;

        fn values(tensor: FloatTensor<Self>) -> Values {
            let NdArrayTensor::F32(storage) = tensor else { panic!("the kernels support f32 only") };
            let array = storage.into_shared();
            Values(if array.is_standard_layout() {
                array
            } else {
                array.as_standard_layout().into_owned().into_shared()
            })
        }

        fn is_row_major(tensor: &FloatTensor<Self>) -> bool {
            let NdArrayTensor::F32(storage) = tensor else { panic!("the kernels support f32 only") };
            storage.view().is_standard_layout()
        }
    }
}

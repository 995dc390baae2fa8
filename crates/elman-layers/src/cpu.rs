//! Tensors that a processor's kernels can read: for layers that bring kernels of their own.

use std::ops::Deref;

use burn::{
    backend::{Backend, DispatchDevice, tensor::FloatTensor},
    tensor::{Device, Shape, TensorData},
};

/// Whether tensors of this device are a [`CpuBackend`]'s, with autodiff or without.
pub fn is_cpu(device: &Device) -> bool {
    match device.clone().without_autodiff().as_dispatch() {
        #[cfg(feature = "flex")]
        DispatchDevice::Flex(_) => true,
        #[cfg(feature = "ndarray")]
        DispatchDevice::NdArray(_) => true,
        #[allow(unreachable_patterns)] // where these are all that there are
        _ => false,
    }
}

/// A backend whose tensors lie in this process's memory.
pub trait CpuBackend: Backend {
    /// Values that are read where they are.
    type Values: Deref<Target = [f32]>;

    /// The numbers of a float32 tensor in row-major order; copied where they lie in another.
    fn values(tensor: FloatTensor<Self>) -> Self::Values;

    /// Whether the numbers lie in row-major order, so that [`values`](Self::values) need not copy them.
    fn is_row_major(tensor: &FloatTensor<Self>) -> bool;

    /// A tensor of these numbers.
    fn tensor(numbers: Vec<f32>, shape: impl Into<Shape>, device: &Self::Device) -> FloatTensor<Self> {
        Self::float_from_data(TensorData::new(numbers, shape), device)
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
            self.0.as_slice().expect("a contiguous float32 tensor")
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
            let NdArrayTensor::F32(storage) = tensor else { panic!("the kernels are for float32") };
            let array = storage.into_shared();
            Values(if array.is_standard_layout() {
                array
            } else {
                array.as_standard_layout().into_owned().into_shared()
            })
        }

        fn is_row_major(tensor: &FloatTensor<Self>) -> bool {
            let NdArrayTensor::F32(storage) = tensor else { panic!("the kernels are for float32") };
            storage.view().is_standard_layout()
        }
    }
}

use std::ops::Deref;

use burn::{
    backend::{Backend, tensor::FloatTensor},
    tensor::{Shape, TensorData},
};

/// A backend whose tensors lie in this process's memory.
pub(super) trait Host: Backend {
    /// Numbers that are read where they are.
    type Numbers: Deref<Target = [f32]>;

    /// The numbers of a float32 tensor in row-major order; copied where they lie in another.
    fn numbers(tensor: FloatTensor<Self>) -> Self::Numbers;

    /// A tensor of these numbers.
    fn tensor(numbers: Vec<f32>, shape: impl Into<Shape>, device: &Self::Device) -> FloatTensor<Self> {
        Self::float_from_data(TensorData::new(numbers, shape), device)
    }
}

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::Flex;

    use super::*;

    pub struct Numbers(FloatTensor<Flex>);

    impl Deref for Numbers {
        type Target = [f32];

        fn deref(&self) -> &[f32] {
            self.0.as_slice().expect("a contiguous float32 tensor")
        }
    }

    impl Host for Flex {
        type Numbers = Numbers;

        fn numbers(tensor: FloatTensor<Self>) -> Numbers {
            Numbers(tensor.to_contiguous())
        }
    }
}

#[cfg(feature = "ndarray")]
#[allow(deprecated)] // burn deprecates the backend; elman supports it
mod ndarray {
    use burn::backend::NdArray;
    use burn_ndarray::{NdArrayTensor, SharedArray};

    use super::*;

    pub struct Numbers(SharedArray<f32>);

    impl Deref for Numbers {
        type Target = [f32];

        fn deref(&self) -> &[f32] {
            self.0.as_slice().expect("an array in row-major order")
        }
    }

    impl Host for NdArray {
        type Numbers = Numbers;

        fn numbers(tensor: FloatTensor<Self>) -> Numbers {
            let NdArrayTensor::F32(storage) = tensor else { panic!("the kernels are for float32") };
            let array = storage.into_shared();
            Numbers(if array.is_standard_layout() {
                array
            } else {
                array.as_standard_layout().into_owned().into_shared()
            })
        }
    }
}

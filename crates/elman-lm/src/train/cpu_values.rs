//! CPU tensors as slices that all threads work on. A pass over all parameters is memory-bound, and burn's operations
//! are single-threaded.

use burn::tensor::{DType, Device, Tensor, TensorData};
use elman_layers::cpu::is_cpu;
use rayon::prelude::*;

/// Elements of a thread's chunk.
pub(super) const CHUNK: usize = 1 << 14;

/// Independent partial sums, so that the compiler can vectorize.
const LANES: usize = 16;

/// The values of an f32 tensor in this process's memory.
pub(super) struct CpuValues {
    data: TensorData,
    device: Device,
}

impl CpuValues {
    /// Whether the tensor is f32 and on a CPU.
    pub fn supports<const D: usize>(tensor: &Tensor<D>) -> bool {
        tensor.dtype() == DType::F32 && is_cpu(&tensor.device())
    }

    /// The values of a [supported](Self::supports) tensor: without a copy if nothing else refers to the tensor.
    pub fn from_tensor<const D: usize>(tensor: Tensor<D>) -> Self {
        Self { device: tensor.device(), data: tensor.into_data() }
    }

    pub fn slice(&self) -> &[f32] {
        self.data.as_slice().expect("f32")
    }

    pub fn slice_mut(&mut self) -> &mut [f32] {
        self.data.as_mut_slice().expect("f32")
    }

    /// Converts the values back to a tensor.
    pub fn into_tensor<const D: usize>(self) -> Tensor<D> {
        Tensor::from_data(self.data, (&self.device, DType::F32))
    }

    /// `Σ x²`, the same on any number of threads.
    pub fn sum_of_squares(&self) -> f32 {
        let chunks = self.slice().par_chunks(CHUNK).map(|chunk| {
            let mut sums = [0.0; LANES];
            for x in chunk.chunks(LANES) {
                for (sum, x) in sums.iter_mut().zip(x) {
                    *sum += x * x;
                }
            }
            sums.into_iter().map(f64::from).sum::<f64>()
        });
        // collected first: the order of a parallel sum would depend on the threads
        chunks.collect::<Vec<f64>>().into_iter().sum::<f64>() as f32
    }

    /// Applies `f` to each value.
    pub fn each(mut self, f: impl Fn(&mut f32) + Sync) -> Self {
        self.slice_mut().par_chunks_mut(CHUNK).for_each(|chunk| chunk.iter_mut().for_each(&f));
        self
    }
}

#[cfg(test)]
mod tests {
    use elman_testkit::devices;

    use super::*;

    #[test]
    fn sum_of_squares_counts_each_element_once() {
        for device in devices().into_iter().filter(|device| is_cpu(&device.device)) {
            for len in [0, 1, LANES + 1, CHUNK, 2 * CHUNK + 3] {
                let x = Tensor::<1>::ones([len], &device.device) * 2.0;
                assert_eq!(CpuValues::from_tensor(x).sum_of_squares(), 4.0 * len as f32, "{device}: {len} elements");
            }
        }
    }

    #[test]
    fn a_shared_tensor_is_not_modified() {
        for device in devices().into_iter().filter(|device| is_cpu(&device.device)) {
            let x = Tensor::<2>::from_data([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], &device.device);
            let scaled = CpuValues::from_tensor(x.clone().transpose()).each(|x| *x *= 10.0).into_tensor::<2>();
            scaled.into_data().assert_eq(&TensorData::from([[10.0, 40.0], [20.0, 50.0], [30.0, 60.0f32]]), true);
            x.into_data().assert_eq(&TensorData::from([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0f32]]), true);
        }
    }
}

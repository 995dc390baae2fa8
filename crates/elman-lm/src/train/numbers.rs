//! Tensors of a processor as slices that all threads work on: a pass over all parameters is bound by memory, and burn's
//! are one thread each.

use burn::tensor::{DType, Device, Tensor, TensorData};
use elman_layers::cpu::is_cpu;
use rayon::prelude::*;

/// Numbers that a thread works on at a time.
pub(super) const CHUNK: usize = 1 << 14;

/// Sums that a processor adds up side by side.
const LANES: usize = 16;

/// A float32 tensor that lies in this process's memory, taken apart.
pub(super) struct Numbers {
    data: TensorData,
    device: Device,
}

impl Numbers {
    /// Whether tensors of this kind can be.
    pub fn fit<const D: usize>(tensor: &Tensor<D>) -> bool {
        tensor.dtype() == DType::F32 && is_cpu(&tensor.device())
    }

    /// The numbers of a tensor that [fits](Self::fit): themselves where nothing else holds the tensor, else a copy.
    pub fn of<const D: usize>(tensor: Tensor<D>) -> Self {
        Self { device: tensor.device(), data: tensor.into_data() }
    }

    pub fn slice(&self) -> &[f32] {
        self.data.as_slice().expect("float32")
    }

    pub fn slice_mut(&mut self) -> &mut [f32] {
        self.data.as_mut_slice().expect("float32")
    }

    /// The tensor again.
    pub fn tensor<const D: usize>(self) -> Tensor<D> {
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
        // collected, because threads would add in whatever order they end
        chunks.collect::<Vec<f64>>().into_iter().sum::<f64>() as f32
    }

    /// Applies `f` to each number.
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
    fn a_sum_of_squares_takes_each_number_once() {
        for device in devices().into_iter().filter(|device| is_cpu(&device.device)) {
            for len in [0, 1, LANES + 1, CHUNK, 2 * CHUNK + 3] {
                let x = Tensor::<1>::ones([len], &device.device) * 2.0;
                assert_eq!(Numbers::of(x).sum_of_squares(), 4.0 * len as f32, "{device}: {len} numbers");
            }
        }
    }

    #[test]
    fn what_others_hold_stays_as_it_is() {
        for device in devices().into_iter().filter(|device| is_cpu(&device.device)) {
            let x = Tensor::<2>::from_data([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], &device.device);
            let turned = Numbers::of(x.clone().transpose()).each(|x| *x *= 10.0).tensor::<2>();
            turned.into_data().assert_eq(&TensorData::from([[10.0, 40.0], [20.0, 50.0], [30.0, 60.0f32]]), true);
            x.into_data().assert_eq(&TensorData::from([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0f32]]), true);
        }
    }
}

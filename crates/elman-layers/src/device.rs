//! What a device is made of: for layers that bring kernels of their own.

use burn::tensor::Device;

/// Whether tensors of this device are CubeCL's, which graphics cards are programmed with, with autodiff or without. That
/// may be a driver in software too.
pub fn is_cube(device: &Device) -> bool {
    match device.clone().without_autodiff().as_dispatch() {
        #[cfg(feature = "cube")]
        burn::backend::DispatchDevice::Cube(_) => true,
        #[allow(unreachable_patterns)] // where these are all that there are
        _ => false,
    }
}

/// The most bytes that one tensor of this device can have, where the device says so.
pub fn max_tensor_bytes(device: &Device) -> Option<u64> {
    match device.clone().without_autodiff().as_dispatch() {
        #[cfg(feature = "cube")]
        burn::backend::DispatchDevice::Cube(device) => Some(device.client().properties().memory.max_page_size),
        #[allow(unreachable_patterns)] // where these are all that there are
        _ => None,
    }
}

/// How many buffers a kernel can have on this device, where the device says so.
pub fn max_buffers(device: &Device) -> Option<u32> {
    match device.clone().without_autodiff().as_dispatch() {
        #[cfg(feature = "cube")]
        burn::backend::DispatchDevice::Cube(device) => Some(device.client().properties().hardware.max_bindings),
        #[allow(unreachable_patterns)] // where these are all that there are
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use elman_testkit::devices;

    use super::*;
    use crate::cpu::is_cpu;

    #[test]
    fn a_device_is_a_processors_or_cubes() {
        for device in devices() {
            let processor = ["flex", "ndarray"].contains(&device.name);
            for at in [device.device.clone(), device.autodiff()] {
                assert_eq!((is_cpu(&at), is_cube(&at)), (processor, !processor), "{device}");
                assert_eq!(max_buffers(&at).is_some_and(|most| most > 1), !processor, "{device}");
                assert_eq!(max_tensor_bytes(&at).is_some_and(|most| most > 1 << 20), !processor, "{device}");
            }
        }
    }
}

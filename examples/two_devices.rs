//! The same network on every device that this build can use gives the same numbers.
//!
//! With one backend compiled in there is one device; add others by their features.
//!
//! ```text
//! cargo run --release --features ndarray --example two_devices
//! cargo run --release --features wgpu --example two_devices
//! ```

use elman::{
    burn::tensor::{Distribution, Tensor, TensorData},
    recurrence::{GruConfig, StateDict},
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let devices = elman::devices();
    let first = devices.first().ok_or("no device")?;

    // weights and input are made once, on the first device, and copied to the others
    first.device.seed(1);
    let config = GruConfig::new(16, 32).with_layers(2).with_bidirectional(true);
    let original = config.init(&first.device);
    let x = Tensor::<3>::random([4, 25, 16], Distribution::Normal(0.0, 1.0), &first.device).into_data();

    let mut reference: Option<TensorData> = None;
    for info in &devices {
        let gru = StateDict::of(&original).load_into(config.init(&info.device))?;
        let (output, _) = gru.forward(Tensor::from_data(x.clone(), &info.device), None);
        let output = output.into_data();
        let values: Vec<f32> = output.iter::<f32>().collect();
        println!("{:<8} {:<34} {:+.6} {:+.6} {:+.6} …", info.name, info.description, values[0], values[1], values[2]);
        match &reference {
            None => reference = Some(output),
            Some(reference) => {
                let differences = reference.iter::<f32>().zip(&values).map(|(a, b)| (a - b).abs());
                let largest = differences.fold(0.0, f32::max);
                println!("         largest difference to {} over {} values: {largest:.1e}", first.name, values.len());
            }
        }
    }
    if devices.len() == 1 {
        println!("One device is compiled in. With another: cargo run --features ndarray --example two_devices");
    }
    Ok(())
}

//! One network gives the same results on every device of this build, up to rounding.
//!
//! Code uses a `Device` and never names a backend; Cargo features select the backends that are compiled in. With `flex`
//! alone there is one device. The example also compares a whole sequence with single steps on the same device.
//!
//! ```text
//! cargo run --release --features ndarray --example two_devices
//! cargo run --release --features wgpu --example two_devices
//! ```

use elman::{
    burn::{
        module::Module,
        tensor::{Device, Distribution, Tensor},
    },
    recurrence::{Lstm, LstmConfig},
};

/// The output `[batch, time, d_output]`, computed on `device`.
fn whole_sequence(lstm: &Lstm, x: &Tensor<3>, device: &Device) -> Tensor<3> {
    let (lstm, x) = (lstm.clone().to_device(device), x.clone().to_device(device));
    lstm.forward(x, None).0
}

/// The same output, computed one time step at a time.
fn step_by_step(lstm: &Lstm, x: &Tensor<3>) -> Tensor<3> {
    let mut state = None;
    let mut outputs = Vec::new();
    for x in x.clone().split(1, 1) {
        let (y, next) = lstm.step(x.squeeze_dim(1), state);
        state = Some(next);
        outputs.push(y);
    }
    Tensor::stack(outputs, 1)
}

fn main() -> Result<(), elman::DeviceError> {
    let home = elman::device("auto")?;
    home.seed(1);
    let lstm = LstmConfig::new(8, 64).with_layers(2).init(&home);
    let x = Tensor::random([4, 50, 8], Distribution::Normal(0.0, 1.0), &home);
    let reference = lstm.forward(x.clone(), None).0;
    println!("an LSTM with {} weights, 4 sequences of 50 steps\n", lstm.num_params());

    println!("{:<24}{:<34}maximum difference", "", "last output, first three units");
    let row = |name: &str, y: Tensor<3>| {
        let y = y.to_device(&home);
        let shown: String =
            y.clone().slice([3..4, 49..50, 0..3]).to_data().iter::<f32>().map(|v| format!("{v:+.7} ")).collect();
        let difference = (y - reference.clone()).abs().max().into_scalar::<f32>();
        println!("{name:<24}{shown:<34}{difference:.1e}");
    };
    let devices = elman::devices();
    for device in &devices {
        row(&device.name, whole_sequence(&lstm, &x, &device.device));
    }
    row("step by step", step_by_step(&lstm, &x));

    if devices.len() == 1 {
        println!("\nThis build has one device. With another one compiled in:");
        println!("  cargo run --release --features ndarray --example two_devices");
    }
    Ok(())
}

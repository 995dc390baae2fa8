//! Weights with PyTorch's names, from a file into a layer.
//!
//! A safetensors file is written here so that the example needs nothing else; the same code reads what Python wrote
//! with `torch.save(model.state_dict(), "model.pt")` or `safetensors.torch.save_file`.
//!
//! ```text
//! cargo run --release --example import_pytorch
//! ```

use elman::{
    burn::tensor::{Distribution, Tensor},
    recurrence::{LstmConfig, StateDict},
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = elman::device("auto")?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model.safetensors");

    // as if Python had written it: an nn.LSTM(8, 16, bidirectional=True), in the field `encoder` of its model
    let config = LstmConfig::new(8, 16).with_bidirectional(true);
    let original = config.init(&device);
    StateDict::from_module(&original).rename(|name| Some(format!("encoder.{name}"))).save(&path)?;

    println!("the file has");
    for (name, shape) in StateDict::open(&path)?.shapes() {
        println!("  {name:<30} {shape:?}");
    }

    let imported = StateDict::open(&path)?.under("encoder").load_into(config.init(&device))?;
    let x = Tensor::random([2, 5, 8], Distribution::Normal(0.0, 1.0), &device);
    let difference = (imported.forward(x.clone(), None).0 - original.forward(x, None).0).abs().max();
    println!("largest difference to the original's output: {}", difference.into_scalar::<f32>());

    // weights that do not fit are told apart by name, not loaded in part
    let smaller = LstmConfig::new(8, 12).with_bidirectional(true).init(&device);
    match StateDict::open(&path)?.under("encoder").load_into(smaller) {
        Ok(_) => println!("a smaller layer took them"),
        Err(error) => println!("a smaller layer refuses: {error}"),
    }
    Ok(())
}

//! Loads weights with PyTorch's names from a file into a layer.
//!
//! The example writes a safetensors file itself, so that it needs no Python. The same code reads files written by
//! `torch.save(model.state_dict(), "model.pt")` or `safetensors.torch.save_file`.
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

    // the weights of an nn.LSTM(8, 16, bidirectional=True) in the attribute `encoder` of a PyTorch model
    let config = LstmConfig::new(8, 16).with_bidirectional(true);
    let original = config.init(&device);
    StateDict::from_module(&original).rename(|name| Some(format!("encoder.{name}"))).save(&path)?;

    println!("tensors in the file:");
    for (name, shape) in StateDict::open(&path)?.shapes() {
        println!("  {name:<30} {shape:?}");
    }

    let imported = StateDict::open(&path)?.under("encoder").load_into(config.init(&device))?;
    let x = Tensor::random([2, 5, 8], Distribution::Normal(0.0, 1.0), &device);
    let difference = (imported.forward(x.clone(), None).0 - original.forward(x, None).0).abs().max();
    println!("maximum difference from the original output: {}", difference.into_scalar::<f32>());

    // weights of the wrong shape are an error that names them; nothing is loaded
    let smaller = LstmConfig::new(8, 12).with_bidirectional(true).init(&device);
    match StateDict::open(&path)?.under("encoder").load_into(smaller) {
        Ok(_) => println!("a smaller layer accepts them"),
        Err(error) => println!("a smaller layer rejects them: {error}"),
    }
    Ok(())
}

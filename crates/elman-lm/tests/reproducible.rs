//! The same seed gives the same model.

use burn::tensor::Device;
use elman_lm::{LanguageModel, LanguageModelConfig, TrainConfig, train, train::Schedule};
use elman_recurrence::StateDict;
use elman_testkit::devices;
use elman_text::Tokens;

fn trained(device: &Device, seed: u64) -> LanguageModel {
    let ids: Vec<u32> = (0..400).map(|i| (i * i) % 7).collect();
    let text = Tokens::from_ids(&ids, 400, 400);
    device.seed(seed);
    let config = LanguageModelConfig { d_embed: 8, d_hidden: 8, ..LanguageModelConfig::new(7) };
    let settings =
        TrainConfig { batch: 4, seed, schedule: Schedule::Constant, learning_rate: 1.0, ..TrainConfig::default() };
    train(config.init(device).unwrap(), &text, None, &settings, &mut ()).unwrap().model
}

fn bytes(model: &LanguageModel) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    StateDict::from_module(model).save(&path).unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn the_same_seed_trains_the_same_model() {
    for device in devices().into_iter().filter(|d| ["flex", "ndarray"].contains(&d.name)) {
        let first = bytes(&trained(&device.device, 7));
        assert!(first == bytes(&trained(&device.device, 7)), "{device}");
        assert!(first != bytes(&trained(&device.device, 8)), "{device}");
    }
}

//! Training against PyTorch: losses, all gradients, the global norm, updated weights. See `golden/training.py`.

use burn::{
    module::{Module, ModuleMapper, Param},
    optim::GradientsParams,
    tensor::{Device, Tensor, TensorData},
};
use elman_lm::{
    Dropouts, LanguageModel, LanguageModelConfig, TrainConfig, train,
    train::{Optimizer, Schedule},
};
use elman_recurrence::StateDict;
use elman_testkit::{Golden, Tolerance, assert_close_data, devices};
use elman_text::Tokens;

const GOLDEN: &str = "tests/golden/training.safetensors";

/// Rounding of f32 sums in another order.
const VALUES: Tolerance = Tolerance { relative: 1e-5, absolute: 1e-7 };
/// Backpropagation through two layers and five steps sums more terms.
const GRADIENTS: Tolerance = Tolerance { relative: 1e-4, absolute: 1e-7 };
/// Ten optimizer steps accumulate rounding errors.
const TEN_STEPS: Tolerance = Tolerance { relative: 1e-4, absolute: 0.0 };

const BATCH: usize = 3;
const BPTT: usize = 5;

fn model(label: &str, device: &Device) -> LanguageModel {
    let config = LanguageModelConfig {
        d_embed: 6,
        d_hidden: 8,
        layers: 2,
        tied: label == "tied",
        dropout: Dropouts::all(0.0),
        ..LanguageModelConfig::new(11)
    };
    let weights = StateDict::open(GOLDEN).unwrap().under(label).under("before");
    weights.load_into(config.init(device).unwrap()).unwrap()
}

/// The first `steps` steps of the golden text: the same columns, truncated.
fn text(golden: &Golden, label: &str, steps: usize) -> Tokens {
    let ids: Vec<u32> = golden.data(&format!("{label}.ids")).iter::<u32>().collect();
    let column = ids.len() / BATCH;
    let cut: Vec<u32> = ids.chunks(column).flat_map(|column| &column[..steps * BPTT + 1]).copied().collect();
    Tokens::from_ids(&cut, 1, 1)
}

fn settings() -> TrainConfig {
    TrainConfig {
        batch: BATCH,
        bptt: BPTT,
        epochs: 1,
        optimizer: Optimizer::Sgd,
        learning_rate: 2.0,
        schedule: Schedule::Constant,
        clip: Some(0.2),
        log_every: 1,
        ..TrainConfig::default()
    }
}

/// Compares a module's tensors, in PyTorch's layout and names, with those under `prefix` in the golden file.
fn assert_module(module: &LanguageModel, golden: &Golden, prefix: &str, tolerance: Tolerance) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("module.safetensors");
    StateDict::from_module(module).save(&path).unwrap();
    let found = Golden::open(&path);
    let expected: Vec<String> =
        golden.names().iter().filter_map(|name| Some(name.strip_prefix(prefix)?.to_owned())).collect();
    assert_eq!(found.names(), expected);
    for name in expected {
        let golden = golden.data(&format!("{prefix}{name}"));
        assert_close_data(&format!("{prefix}{name}"), &found.data(&name), &golden, tolerance);
    }
}

/// Replaces each parameter by its gradient.
struct IntoGradients(GradientsParams);

impl ModuleMapper for IntoGradients {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let gradient = self.0.remove::<D>(param.id).expect("every parameter has a gradient");
        param.map(|_| gradient)
    }
}

#[test]
fn gradients_match_pytorch() {
    let golden = Golden::open(GOLDEN);
    for device in devices() {
        for label in ["untied", "tied"] {
            let model = model(label, &device.autodiff());
            let ids: Vec<Vec<u32>> = golden
                .data(&format!("{label}.ids"))
                .iter::<u32>()
                .collect::<Vec<_>>()
                .chunks(51)
                .map(<[u32]>::to_vec)
                .collect();
            let rows = |range: std::ops::Range<usize>| -> Vec<u32> {
                ids.iter().flat_map(|row| &row[range.clone()]).copied().collect()
            };
            let inputs = model.tokens(&rows(0..BPTT), [BATCH, BPTT]).unwrap();
            let targets = model.tokens(&rows(1..BPTT + 1), [BATCH, BPTT]).unwrap();
            let (loss, _) = model.loss(inputs, targets, None);
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            let gradients = model.valid().map(&mut IntoGradients(gradients));
            assert_module(&gradients, &golden, &format!("{label}.gradient."), GRADIENTS);
        }
    }
}

#[test]
fn a_step_updates_the_weights_like_pytorch() {
    let golden = Golden::open(GOLDEN);
    for device in devices() {
        for label in ["untied", "tied"] {
            let model = model(label, &device.device);
            let trained = train(model, &text(&golden, label, 1), None, &settings(), &mut ()).unwrap();
            assert_module(&trained.model, &golden, &format!("{label}.after."), VALUES);
        }
    }
}

#[test]
fn losses_and_norms_of_ten_steps_match_pytorch() {
    let golden = Golden::open(GOLDEN);
    for device in devices() {
        for label in ["untied", "tied"] {
            let model = model(label, &device.device);
            let trained = train(model, &text(&golden, label, 10), None, &settings(), &mut ()).unwrap();
            let column = |f: fn(&elman_lm::train::Interval) -> f64| {
                let values: Vec<f64> = trained.history.intervals.iter().map(f).collect();
                TensorData::new(values, [10])
            };
            let (losses, norms) = (golden.data(&format!("{label}.losses")), golden.data(&format!("{label}.norms")));
            assert_close_data(&format!("{device} {label} losses"), &column(|i| i.loss), &losses, TEN_STEPS);
            assert_close_data(&format!("{device} {label} norms"), &column(|i| i.gradient_norm), &norms, TEN_STEPS);
        }
    }
}

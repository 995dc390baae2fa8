//! Vectors, losses and all gradients of encoders compared with PyTorch. See `golden/encoder.py`.

use burn::{
    module::{Module, ModuleMapper, Param},
    optim::GradientsParams,
    tensor::{Device, Tensor},
};
use elman_embedding::{
    encoder::{EncoderConfig, EncoderModel},
    train,
};
use elman_recurrence::{CellKind, StateDict};
use elman_testkit::{Golden, Tolerance, assert_close_data, devices};

const GOLDEN: &str = "tests/golden/encoder.safetensors";

/// Rounding of f32 sums in another order.
const VALUES: Tolerance = Tolerance { relative: 1e-5, absolute: 1e-6 };
/// Backpropagation through layers and pooling sums more terms.
const GRADIENTS: Tolerance = Tolerance { relative: 1e-4, absolute: 1e-6 };

const LENGTHS: [usize; 4] = [7, 1, 4, 6];
const WIDTH: usize = 6;

fn model(name: &str, device: &Device) -> EncoderModel {
    let (cell, layers, bidirectional) =
        if name == "gru" { (CellKind::Gru, 2, true) } else { (CellKind::Lstm, 1, false) };
    let config = EncoderConfig {
        d_embed: 5,
        cell,
        d_hidden: 4,
        layers,
        bidirectional,
        pooling: "last+mean+max+attention".parse().unwrap(),
        d_projection: Some(WIDTH),
        ..EncoderConfig::new(13)
    };
    let weights = StateDict::open(GOLDEN).unwrap().under(name).under("weights");
    weights.load_into(config.init(device).unwrap()).unwrap()
}

/// The vectors of the three columns of texts.
fn columns(golden: &Golden, name: &str, model: &EncoderModel) -> Vec<Tensor<2>> {
    let column = |n: usize| {
        let ids: Vec<u32> = golden.data(&format!("{name}.ids.{n}")).iter::<u32>().collect();
        model.forward(model.tokens(&ids, [4, 7]).unwrap(), &LENGTHS)
    };
    (0..3).map(column).collect()
}

/// Replaces each parameter with its gradient.
struct IntoGradients(GradientsParams);

impl ModuleMapper for IntoGradients {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let gradient = self.0.remove::<D>(param.id).expect("every parameter has a gradient");
        param.map(|_| gradient)
    }
}

#[test]
fn vectors_match_pytorch() {
    let golden = Golden::open(GOLDEN);
    for device in devices() {
        for name in ["gru", "lstm"] {
            let vectors = columns(&golden, name, &model(name, &device.device)).remove(0);
            let expected = golden.data(&format!("{name}.vectors"));
            assert_close_data(&format!("{device}, {name}"), &vectors.into_data(), &expected, VALUES);
        }
    }
}

#[test]
fn losses_and_gradients_match_pytorch() {
    let golden = Golden::open(GOLDEN);
    for device in devices() {
        for name in ["gru", "lstm"] {
            let device = device.autodiff();
            let teacher = golden.tensor::<2>(&format!("{name}.teacher"), &device);
            let scores = golden.tensor::<1>(&format!("{name}.scores"), &device);
            let first = teacher.clone().narrow(1, 0, WIDTH);
            let distill = |v: Vec<Tensor<2>>| {
                let [student, first] = [v[0].clone(), v[1].clone()];
                train::cosine_distance(student.clone(), first) + train::relational(student, teacher.clone())
            };
            type Loss<'a> = Box<dyn Fn(&[Tensor<2>]) -> Tensor<1> + 'a>;
            let losses: [(&str, Loss<'_>); 7] = [
                ("mse", Box::new(|v| train::mean_squared_error(v[0].clone(), first.clone()))),
                ("cosine", Box::new(|v| train::cosine_distance(v[0].clone(), first.clone()))),
                ("relational", Box::new(|v| train::relational(v[0].clone(), teacher.clone()))),
                ("info_nce", Box::new(|v| train::info_nce(v[0].clone(), v[1].clone(), 0.2))),
                ("triplet", Box::new(|v| train::triplet(v[0].clone(), v[1].clone(), v[2].clone(), 0.3))),
                (
                    "cosine_regression",
                    Box::new(|v| train::cosine_regression(v[0].clone(), v[1].clone(), scores.clone())),
                ),
                (
                    "matryoshka",
                    Box::new(|v| train::matryoshka(&[2, 4, WIDTH], &[v[0].clone(), teacher.clone()], distill)),
                ),
            ];
            for (loss, compute) in losses {
                let model = model(name, &device).train();
                let label = format!("{name}.{loss}");
                let value = compute(&columns(&golden, name, &model));
                let gradients = GradientsParams::from_grads(value.backward(), &model);
                assert_close_data(&label, &value.into_data(), &golden.data(&label), VALUES);
                let found = model.valid().map(&mut IntoGradients(gradients));
                let found = StateDict::from_module(&found);
                let names: Vec<String> = found.shapes().map(|(name, _)| name.to_owned()).collect();
                assert!(names.len() > 6);
                for weight in names {
                    let label = format!("{label}.{weight}");
                    let gradient = found.data(&weight).unwrap().unwrap();
                    assert_close_data(&label, &gradient, &golden.data(&label), GRADIENTS);
                }
            }
        }
    }
}

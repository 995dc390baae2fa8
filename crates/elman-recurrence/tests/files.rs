//! Weights from PyTorch, states on disk, and error messages.

use std::{fs, path::Path};

use burn::tensor::{Device, Distribution, Tensor};
use elman_recurrence::{ImportError, Lstm, LstmConfig, State, StateDict, StateError};
use elman_testkit::{device, devices};
use tempfile::tempdir;

const GOLDEN: &str = "tests/golden";

fn lstm(device: &Device) -> Lstm {
    LstmConfig::new(3, 4).with_layers(2).with_bidirectional(true).init(device)
}

fn import(file: &str, prefix: Option<&str>, net: Lstm) -> Result<Lstm, ImportError> {
    let weights = StateDict::open(Path::new(GOLDEN).join(file))?;
    prefix
        .map_or(weights.rename(|n| Some(n.into())), |p| StateDict::open(Path::new(GOLDEN).join(file)).unwrap().under(p))
        .load_into(net)
}

#[test]
fn pytorch_and_safetensors_files_give_the_same_network() {
    for device in devices() {
        let device = device.device;
        let pt = import("lstm.pt", Some("encoder"), lstm(&device)).expect("pt");
        let safe = import("lstm.safetensors", None, lstm(&device)).expect("safetensors");
        let x = Tensor::random([2, 5, 3], Distribution::Default, &device);
        let (a, b) = (pt.forward(x.clone(), None).0, safe.forward(x, None).0);
        assert_eq!(a.into_data(), b.into_data());
    }
}

#[test]
fn saved_weights_load_again() {
    let dir = tempdir().expect("folder");
    let path = dir.path().join("w.safetensors");
    let device = device();
    let net = lstm(&device);
    StateDict::from_module(&net).save(&path).expect("save");
    let back = StateDict::open(&path).expect("open").load_into(lstm(&device)).expect("load");
    let x = Tensor::random([2, 5, 3], Distribution::Default, &device);
    assert_eq!(net.forward(x.clone(), None).0.into_data(), back.forward(x, None).0.into_data());
    let names: Vec<String> = StateDict::from_module(&net).shapes().map(|(n, _)| n.to_owned()).collect();
    assert!(names.contains(&"weight_ih_l1_reverse".to_owned()), "{names:?}");
}

#[test]
fn import_errors_name_the_mismatch() {
    let device = device();
    let message = |file: &str, prefix, net| import(file, prefix, net).expect_err("must fail").to_string();
    let wide = LstmConfig::new(3, 5).with_layers(2).with_bidirectional(true).init(&device);
    let text = message("lstm.safetensors", None, wide);
    assert!(text.contains("'bias_hh_l0' should be [20] and is [16]") || text.contains("should be [20"), "{text}");
    let deep = LstmConfig::new(3, 4).with_layers(3).with_bidirectional(true).init(&device);
    assert!(message("lstm.safetensors", None, deep).contains("have no tensor 'weight_ih_l2'"));
    let narrow = LstmConfig::new(3, 4).with_layers(2).init(&device);
    // with one direction, the second layer has half as many inputs
    assert!(message("lstm.safetensors", None, narrow).contains("'weight_ih_l1' should be [16, 4] and is [16, 8]"));
    let shallow = LstmConfig::new(3, 4).with_bidirectional(true).init(&device);
    assert!(message("lstm.safetensors", None, shallow).contains("tensors that the network lacks: bias_hh_l1"));
    let text = message("lstm.pt", Some("decoder"), lstm(&device));
    assert!(text.contains("have no tensor 'weight_ih_l0' (they have: none)"), "{text}");

    let dir = tempdir().expect("folder");
    let open = |name: &str| StateDict::open(dir.path().join(name)).err().expect("must fail").to_string();
    assert!(open("absent.safetensors").contains("cannot read the weights"));
    fs::write(dir.path().join("w.onnx"), "x").expect("write");
    assert!(open("w.onnx").contains("expected a name ending in .safetensors, .pt, .pth, .bin, .ckpt or .tar"));
    for name in ["cut.safetensors", "cut.pt"] {
        let whole = fs::read(Path::new(GOLDEN).join(name.replace("cut", "lstm"))).expect("golden");
        for length in [0, 7, 100, whole.len() / 2] {
            fs::write(dir.path().join(name), &whole[..length]).expect("write");
            let text = open(name);
            assert!(text.contains("cannot be parsed") && !text.contains('\n'), "{length}: {text}");
        }
    }
}

#[test]
fn saved_states_load_again() {
    let dir = tempdir().expect("folder");
    let path = dir.path().join("state.safetensors");
    for device in devices() {
        let device = device.device;
        let net = lstm(&device);
        let x = Tensor::random([2, 5, 3], Distribution::Default, &device);
        let (_, state) = net.forward(x.clone(), None);
        state.save(&path).expect("save");
        let back = State::load(&path, &device).expect("load");
        let next = |s| net.forward(x.clone(), Some(s)).0.into_data();
        assert_eq!(next(state), next(back));
    }
}

#[test]
fn state_errors_name_the_mismatch() {
    let dir = tempdir().expect("folder");
    let path = dir.path().join("state.safetensors");
    let device = device();
    assert!(matches!(State::load(&path, &device), Err(StateError::Read { .. })));
    fs::write(&path, b"no state").expect("write");
    assert!(matches!(State::load(&path, &device), Err(StateError::Format { .. })));
    let wrong = State::load(Path::new(GOLDEN).join("lstm.safetensors"), &device).expect_err("weights are not a state");
    assert!(wrong.to_string().contains("expected a tensor 'h'"), "{wrong}");
    assert!(State::new(vec![Tensor::zeros([1, 1, 1], &device)]).save(dir.path().join("no/such/folder")).is_err());
}

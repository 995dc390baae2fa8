//! Vector files: those that NumPy and safetensors write are read, others are errors.

use elman_embedding::VectorFile;
use half::f16;
use tempfile::TempDir;

/// A `.npy` file, version 1.0, as NumPy writes it.
fn npy(folder: &TempDir, kind: &str, order: &str, shape: &str, bytes: &[u8]) -> std::path::PathBuf {
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let length = (header.len() as u16).to_le_bytes();
    let path = folder.path().join("v.npy");
    std::fs::write(&path, [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), bytes].concat()).unwrap();
    path
}

const VALUES: [f32; 6] = [1.0, -2.0, 0.5, 3.0, 0.25, -0.125];

#[test]
fn rows_are_read_in_any_order_from_f16_and_f32() {
    let folder = tempfile::tempdir().unwrap();
    let wide: Vec<u8> = VALUES.iter().flat_map(|x| x.to_le_bytes()).collect();
    let narrow: Vec<u8> = VALUES.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect();
    let view = |dtype, bytes| safetensors::tensor::TensorView::new(dtype, vec![3, 2], bytes).unwrap();
    for (kind, bytes, dtype) in [("<f4", &wide, safetensors::Dtype::F32), ("<f2", &narrow, safetensors::Dtype::F16)] {
        let tensors = folder.path().join("v.safetensors");
        std::fs::write(&tensors, safetensors::serialize([("any name", view(dtype, bytes))], None).unwrap()).unwrap();
        for path in [npy(&folder, kind, "False", "(3, 2)", bytes), tensors] {
            let file = VectorFile::open(&path).unwrap();
            assert_eq!((file.rows(), file.width()), (3, 2));
            assert_eq!(file.read(&[2, 0, 2]).unwrap(), [0.25, -0.125, 1.0, -2.0, 0.25, -0.125]);
            let mut all: Vec<f32> = Vec::new();
            file.each(|row, vector| {
                assert_eq!(row * 2, all.len());
                all.extend(vector);
                Ok(())
            })
            .unwrap();
            assert_eq!(all, VALUES);
        }
    }
}

#[test]
fn invalid_files_are_errors_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let message = |kind, order, shape, bytes: &[u8]| {
        VectorFile::open(npy(&folder, kind, order, shape, bytes)).unwrap_err().to_string()
    };
    for (kind, order, shape, size, expected) in [
        ("<f8", "False", "(3, 2)", 48, "its dtype is <f8, not <f4 or <f2"),
        ("<f4", "True", "(3, 2)", 24, "Fortran order"),
        ("<f4", "False", "(6,)", 24, "it has the shape [6], not [rows, width]"),
        ("<f4", "False", "(3, 0)", 0, "its vectors have dimension 0"),
        ("<f4", "False", "(3, 2)", 23, "it is truncated"),
    ] {
        let text = message(kind, order, shape, &vec![0; size]);
        assert!(text.contains("is not a vector file") && text.contains(expected), "{text}");
    }
    let other = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        VectorFile::open(path).unwrap_err().to_string()
    };
    assert!(other("v.txt", b"1 2 3").contains("its name must end in .npy or .safetensors"));
    assert!(other("v.npy", b"no").contains("is not a vector file"));
    assert!(other("v.safetensors", &[255; 64]).contains("its header has"));
    let two = [("a", [0u8; 8]), ("b", [0u8; 8])];
    let views = two.iter().map(|(name, bytes)| {
        (*name, safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![1, 2], bytes).unwrap())
    });
    let two = safetensors::serialize(views, None).unwrap();
    assert!(other("v.safetensors", &two).contains("it has 2 matrices, not one"));
    let missing = VectorFile::open(folder.path().join("none.npy")).unwrap_err().to_string();
    assert!(missing.starts_with("cannot read"), "{missing}");
}

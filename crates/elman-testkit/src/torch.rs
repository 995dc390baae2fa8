//! Files as `torch.save` writes them, without PyTorch.

use std::{fs, path::Path};

/// The content of a PyTorch file.
#[derive(Debug, Clone)]
pub enum Torch {
    /// An f32 tensor: shape and values.
    Tensor(Vec<usize>, Vec<f32>),
    /// A dict, in order.
    Dict(Vec<(String, Torch)>),
    /// A list.
    List(Vec<Torch>),
    /// A str.
    Text(String),
    /// An int.
    Int(i32),
    /// Raw pickle instructions.
    Raw(Vec<u8>),
}

impl Torch {
    /// A dict of these entries.
    pub fn dict<N: Into<String>>(entries: impl IntoIterator<Item = (N, Torch)>) -> Self {
        Self::Dict(entries.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }

    /// Writes the file in PyTorch's zip format, in a directory named after the file's stem, as `torch.save` does.
    pub fn save(&self, path: impl AsRef<Path>) {
        let path = path.as_ref();
        fs::write(path, self.bytes(&path.file_stem().expect("a name").to_string_lossy())).expect("a file");
    }

    /// The bytes of the file.
    pub fn bytes(&self, stem: &str) -> Vec<u8> {
        let mut pickle = Pickle { bytes: vec![0x80, 2], storages: Vec::new() };
        pickle.value(self);
        pickle.bytes.push(b'.');
        let mut entries =
            vec![(format!("{stem}/data.pkl"), pickle.bytes), (format!("{stem}/byteorder"), b"little".into())];
        entries.extend(pickle.storages.into_iter().enumerate().map(|(n, s)| (format!("{stem}/data/{n}"), s)));
        entries.push((format!("{stem}/version"), b"3\n".into()));
        zip(&entries)
    }
}

struct Pickle {
    bytes: Vec<u8>,
    storages: Vec<Vec<u8>>,
}

impl Pickle {
    fn value(&mut self, value: &Torch) {
        match value {
            Torch::Tensor(shape, values) => self.tensor(shape, values),
            Torch::Dict(entries) => {
                self.bytes.extend(b"}(");
                for (name, value) in entries {
                    self.text(name);
                    self.value(value);
                }
                self.bytes.push(b'u');
            }
            Torch::List(items) => {
                self.bytes.extend(b"](");
                items.iter().for_each(|item| self.value(item));
                self.bytes.push(b'e');
            }
            Torch::Text(text) => self.text(text),
            Torch::Int(n) => self.int(*n),
            Torch::Raw(bytes) => self.bytes.extend(bytes),
        }
    }

    fn text(&mut self, text: &str) {
        self.bytes.push(b'X');
        self.bytes.extend((text.len() as u32).to_le_bytes());
        self.bytes.extend(text.bytes());
    }

    fn int(&mut self, n: i32) {
        self.bytes.push(b'J');
        self.bytes.extend(n.to_le_bytes());
    }

    fn sizes(&mut self, sizes: impl IntoIterator<Item = usize>) {
        self.bytes.push(b'(');
        sizes.into_iter().for_each(|n| self.int(n as i32));
        self.bytes.push(b't');
    }

    fn tensor(&mut self, shape: &[usize], values: &[f32]) {
        assert_eq!(values.len(), shape.iter().product::<usize>(), "values of a tensor {shape:?}");
        self.bytes.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        self.text("storage");
        self.bytes.extend(b"ctorch\nFloatStorage\n");
        self.text(&self.storages.len().to_string());
        self.text("cpu");
        self.int(values.len() as i32);
        self.bytes.extend(b"tQ");
        self.int(0);
        self.sizes(shape.iter().copied());
        self.sizes((0..shape.len()).map(|d| shape[d + 1..].iter().product()));
        self.bytes.extend(b"\x89ccollections\nOrderedDict\n)RtR");
        self.storages.push(values.iter().flat_map(|v| v.to_le_bytes()).collect());
    }
}

/// An archive of uncompressed entries. Like PyTorch's, it ends with a zip64 end record and its locator, although they
/// are not needed.
fn zip(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in entries {
        let offset = file.len() as u32;
        let mut common = Vec::new();
        common.extend([0u16, 0, 0, 0, 0].iter().flat_map(|n| n.to_le_bytes())); // version, flags, method, time, date
        common
            .extend([crc32fast::hash(data), data.len() as u32, data.len() as u32].iter().flat_map(|n| n.to_le_bytes()));
        common.extend([name.len() as u16, 0].iter().flat_map(|n| n.to_le_bytes()));
        file.extend(b"PK\x03\x04");
        file.extend(&common);
        file.extend(name.bytes());
        file.extend(data);
        directory.extend(b"PK\x01\x02\x00\x00");
        directory.extend(&common);
        directory.extend([0; 10]); // comment, disk, attributes
        directory.extend(offset.to_le_bytes());
        directory.extend(name.bytes());
    }
    let (start, size, count) = (file.len() as u64, directory.len() as u64, entries.len() as u64);
    file.extend(directory);
    let end = file.len() as u64;
    file.extend(b"PK\x06\x06");
    file.extend(44u64.to_le_bytes());
    file.extend([0; 12]); // versions, disks
    file.extend([count, count, size, start].iter().flat_map(|n| n.to_le_bytes()));
    file.extend(b"PK\x06\x07\x00\x00\x00\x00");
    file.extend(end.to_le_bytes());
    file.extend(1u32.to_le_bytes());
    file.extend(b"PK\x05\x06\x00\x00\x00\x00");
    file.extend([count as u16, count as u16].iter().flat_map(|n| n.to_le_bytes()));
    file.extend([size as u32, start as u32].iter().flat_map(|n| n.to_le_bytes()));
    file.extend([0; 2]);
    file
}

//! A test directory with a small text, and the `elman` command.

use std::{fs, path::PathBuf, process::Output};

use assert_cmd::Command;
use tempfile::TempDir;

/// The CPU backends that are compiled in.
#[allow(dead_code)] // not every test depends on the device
pub const CPUS: &[&str] = match (cfg!(feature = "flex"), cfg!(feature = "ndarray")) {
    (true, true) => &["flex", "ndarray"],
    (true, false) => &["flex"],
    (false, true) => &["ndarray"],
    (false, false) => &[],
};

/// A temporary directory with a text of 60 lines.
pub struct TestDir {
    root: TempDir,
}

impl TestDir {
    pub fn new() -> Self {
        let dir = Self { root: tempfile::tempdir().expect("a directory") };
        let line = |n: usize| {
            let (who, what) = (["the cat", "a dog", "my mouse"][n % 3], ["sat on", "ran from", "saw", "ate"][n % 4]);
            format!("{who} {what} the {} {n}\n", ["mat", "house", "cheese", "moon", "sea"][n % 5])
        };
        fs::write(dir.path("text.txt"), (0..60).map(line).collect::<String>()).expect("a text");
        dir
    }

    /// A path in the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Writes a file.
    #[allow(dead_code)] // not every test writes files
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("a file");
    }

    /// Runs `elman` in the directory.
    pub fn run(&self, arguments: &str) -> CommandResult {
        self.run_with(arguments, &[])
    }

    /// Like [`run`](Self::run), with environment variables.
    pub fn run_with(&self, arguments: &str, variables: &[(&str, &str)]) -> CommandResult {
        let mut command = Command::cargo_bin("elman").expect("the binary");
        command.current_dir(self.root.path()).envs(variables.iter().copied());
        let output = command.args(arguments.split_whitespace()).output().expect("elman runs");
        CommandResult { arguments: arguments.into(), output }
    }

    /// Trains a small model on the text into `model`.
    #[allow(dead_code)] // not every test needs a model
    pub fn train(&self) {
        let settings = "--tokens char --embed 8 --hidden 16 --layers 1 --batch 4 --bptt 16 --epochs 2";
        self.run(&format!("train text.txt --out model {settings}")).succeeds();
    }
}

/// The result of a command.
pub struct CommandResult {
    arguments: String,
    output: Output,
}

#[allow(dead_code)] // not every test uses all methods
impl CommandResult {
    pub fn stdout(&self) -> String {
        String::from_utf8(self.output.stdout.clone()).expect("UTF-8")
    }

    pub fn stderr(&self) -> String {
        String::from_utf8(self.output.stderr.clone()).expect("UTF-8")
    }

    pub fn code(&self) -> Option<i32> {
        self.output.status.code()
    }

    /// Standard output as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout()).unwrap_or_else(|e| panic!("{}: {e}: {}", self.arguments, self.stdout()))
    }

    /// Asserts exit code 0; returns standard output.
    #[track_caller]
    pub fn succeeds(&self) -> String {
        assert_eq!(self.output.status.code(), Some(0), "elman {}: {}", self.arguments, self.stderr());
        self.stdout()
    }

    /// Asserts the exit code, one line on standard error that starts with `error:` and contains `text`, no output and
    /// no backtrace.
    #[track_caller]
    pub fn fails(&self, code: i32, text: &str) {
        let stderr = self.stderr();
        assert_eq!(self.output.status.code(), Some(code), "elman {}: {stderr}", self.arguments);
        let errors: Vec<&str> = stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "elman {}: one line: {stderr}", self.arguments);
        assert!(errors[0].contains(text), "elman {}: {stderr}", self.arguments);
        assert!(!stderr.contains("panicked") && !stderr.contains("RUST_BACKTRACE"), "{stderr}");
        assert_eq!(self.stdout(), "", "elman {}", self.arguments);
    }
}

//! Files found in directories, and the reasons for leaving others out.

use std::{fs, path::Path};

use elman_text::{Find, Found, Reason, TextError, real_path};
use tempfile::{TempDir, tempdir};

fn tree(files: &[(&str, &str)]) -> TempDir {
    let dir = tempdir().unwrap();
    for (name, content) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    dir
}

fn below(root: &Path, path: &Path) -> String {
    let root = root.join("");
    path.to_str().unwrap().strip_prefix(root.to_str().unwrap()).unwrap().to_owned()
}

fn files(root: &Path, found: &Found) -> Vec<String> {
    found.files.iter().map(|file| below(root, &file.path)).collect()
}

fn left_out(root: &Path, found: &Found) -> Vec<(String, &'static str)> {
    found.left_out.iter().map(|left_out| (below(root, &left_out.path), left_out.reason.name())).collect()
}

fn owned(expected: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
    expected.iter().map(|(path, reason)| (path.to_string(), *reason)).collect()
}

#[test]
fn ignored_and_hidden_files_are_left_out_by_default() {
    let dir = tree(&[
        (".gitignore", "*.log\n/build/\n!keep.log\n"),
        (".secret/a.txt", "x"),
        ("a.txt", "x"),
        ("a.log", "x"),
        ("build/b.txt", "x"),
        ("deep/.ignore", "c.txt\n"),
        ("deep/build/d.txt", "x"),
        ("deep/c.txt", "x"),
        ("deep/keep.log", "x"),
        ("node_modules/left-pad/readme.md", "x"),
        ("picture", "\0"),
        ("void", ""),
    ]);
    let root = dir.path();
    let found = Find::new().find([root]).unwrap();
    assert_eq!(files(root, &found), ["a.txt", "deep/build/d.txt", "deep/keep.log"]);
    let expected = [
        (".gitignore", "hidden"),
        (".secret/", "hidden"),
        ("a.log", "ignored"),
        ("build/", "ignored"),
        ("deep/.ignore", "hidden"),
        ("deep/c.txt", "ignored"),
        ("node_modules/", "ignored"),
        ("picture", "binary"),
        ("void", "empty"),
    ];
    assert_eq!(left_out(root, &found), owned(&expected));

    let all = Find::new().with_ignore(false).with_hidden(true).find([root]).unwrap();
    assert_eq!(all.files.len(), 10);
    // explicitly named files are read, and so are the files of named directories
    let named = Find::new().find([root.join("a.log"), root.join("build")]).unwrap();
    assert_eq!(files(root, &named), ["a.log", "build/b.txt"]);
    assert_eq!(named.files.iter().map(|file| file.is_in_folder).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn rules_of_parent_directories_apply_within_a_repository() {
    let dir = tree(&[
        (".gitignore", "*.log\nscratch/*\nnotes/old/\n"),
        ("repository/.git/HEAD", "x"),
        ("repository/.gitignore", "*.tmp\ndata/*\nnotes/old/\n"),
        ("repository/notes/a.txt", "x"),
        ("repository/notes/a.tmp", "x"),
        ("repository/notes/a.log", "x"),
        ("repository/notes/old/b.txt", "x"),
        ("repository/data/c.txt", "x"),
        ("repository/data/c.tmp", "x"),
    ]);
    let root = dir.path();
    let found = Find::new().find([root.join("repository/notes")]).unwrap();
    assert_eq!(files(root, &found), ["repository/notes/a.log", "repository/notes/a.txt"]);
    // an explicitly named directory is read even if all of it is ignored
    let found = Find::new().find([root.join("repository/data")]).unwrap();
    assert_eq!(files(root, &found), ["repository/data/c.tmp", "repository/data/c.txt"]);
}

#[test]
fn excluded_files_are_left_out_even_if_named() {
    let dir = tree(&[("a.txt", "x"), ("b.md", "x"), ("drafts/c.txt", "x"), ("d/e/f.txt", "x"), ("d/f.txt", "x")]);
    let root = dir.path();
    let find = |globs: &[&str]| Find::new().with_exclude(globs).unwrap();
    let found = find(&["*.md", "drafts", "d/*.txt"]).find([root]).unwrap();
    assert_eq!(files(root, &found), ["a.txt", "d/e/f.txt"]);
    assert_eq!(
        left_out(root, &found),
        owned(&[("b.md", "excluded"), ("d/f.txt", "excluded"), ("drafts/", "excluded")])
    );
    let found = find(&["*.md"]).find([root.join("a.txt"), root.join("b.md")]).unwrap();
    assert_eq!(files(root, &found), ["a.txt"]);
    let error = Find::new().with_exclude(["a", "{b"]).unwrap_err();
    assert!(matches!(&error, TextError::Glob { glob, .. } if glob == "{b"), "{error}");
}

#[test]
fn files_written_by_elman_are_left_out() {
    let store: String = format!("SQLite format 3\0{}elmn more", "\0".repeat(52));
    let dir = tree(&[
        ("a.txt", "x"),
        ("model/config.json", "{\"format_version\":1,\"elman_version\":\"0.1.0\"}"),
        ("model/README.md", "x"),
        ("model/notes.txt", "x"),
        ("other/config.json", "{\"model_type\":\"bert\"}"),
        ("other/README.md", "x"),
        ("run/curves.svg", "<svg/>"),
        ("run/train.jsonl", "{\"event\":\"start\",\"model\":{}}\n"),
        ("run/page.html", "<!DOCTYPE html><meta charset=\"utf-8\"><meta name=\"generator\" content=\"elman 0.1.0\">"),
        ("store/store.sqlite", &store),
        ("store/graph.json", "{}"),
        ("vectors.jsonl", "{\"text\":\"a \\\"b\\\"\",\"embedding\":[0.5,-1.0]}\n"),
        ("clusters.csv", "id,cluster\na,1\n"),
        ("z.jsonl", "{\"text\":\"a\",\"embedding\":\"none\"}\n"),
        ("z.html", "<meta name=\"generator\" content=\"another\">"),
    ]);
    let root = dir.path();
    let found = Find::new().with_tables().find([root]).unwrap();
    let expected = ["a.txt", "model/notes.txt", "other/README.md", "other/config.json", "z.html", "z.jsonl"];
    assert_eq!(files(root, &found), expected);
    assert!(found.left_out.iter().all(|left_out| matches!(left_out.reason, Reason::Own)), "{:?}", found.left_out);
    assert_eq!(found.left_out.len(), 9);
}

#[cfg(unix)]
#[test]
fn links_to_files_are_read_once_and_links_to_directories_are_not() {
    use std::os::unix::{fs::symlink, net::UnixListener};

    let dir = tree(&[("in/b.txt", "x"), ("out/c.txt", "x")]);
    let root = dir.path();
    symlink(root.join("in/b.txt"), root.join("in/a.txt")).unwrap();
    symlink(root.join("out/c.txt"), root.join("in/c.txt")).unwrap();
    symlink(root.join("nowhere"), root.join("in/d.txt")).unwrap();
    symlink(root.join("in"), root.join("in/loop")).unwrap();
    let _socket = UnixListener::bind(root.join("in/socket")).unwrap();
    let found = Find::new().find([root.join("in")]).unwrap();
    assert_eq!(files(root, &found), ["in/a.txt", "in/b.txt", "in/c.txt"]);
    let found = Find::new().once().find([root.join("in")]).unwrap();
    assert_eq!(files(root, &found), ["in/b.txt", "in/c.txt"]);
    let expected = [
        ("in/d.txt", "no regular file"),
        ("in/loop", "link to a folder"),
        ("in/socket", "no regular file"),
        ("in/a.txt", "read already"),
    ];
    assert_eq!(left_out(root, &found), owned(&expected));

    // different spellings of a path are the same file
    symlink(root.join("in"), root.join("link")).unwrap();
    let spelled = ["in", "in/", "in/../in/.", "link", "link/b.txt", "in/b.txt"].map(|path| root.join(path));
    assert_eq!(Find::new().once().find(&spelled).unwrap().files.len(), 2);
    let found = Find::new().once().find([root.join("in"), root.join("in/b.txt")]).unwrap();
    assert_eq!(found.files.iter().map(|file| file.is_in_folder).collect::<Vec<_>>(), [true, false], "named");
    assert_eq!(Find::new().find([root.join("in/b.txt"), root.join("in/b.txt")]).unwrap().files.len(), 2);
    assert_eq!(real_path(root.join("link/b.txt")).unwrap(), real_path(root.join("in/./b.txt")).unwrap());
    assert_eq!(real_path(root.join("in/a.txt")).unwrap().file_name().unwrap(), "a.txt");
    assert!(matches!(Find::new().find([root.join("none")]), Err(TextError::Read { .. })));
}

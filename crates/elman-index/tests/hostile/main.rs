//! Files that are damaged, or made to do harm: each gives its own error, and none a panic.

#[path = "../common/mod.rs"]
mod common;
mod creation;
mod damage;
mod entries;
mod forgery;
mod manifest;
mod vectors;
mod victim;

use std::fmt;

use elman_files::one_line;
use elman_text::Unit;
use serde::Serialize;

use crate::{
    config::LanguageModelConfig,
    train::{Epoch, TrainConfig},
};

/// Content of a model's `README.md` in addition to its configuration: how it was trained and its metrics.
///
/// Written as Markdown with the front matter of a Hugging Face model card.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelCard {
    /// The model's name; by default that of its directory.
    pub name: String,
    /// The texts that it was trained on.
    pub corpus: Vec<CorpusInfo>,
    /// The settings of its training.
    pub training: Option<TrainConfig>,
    /// The epoch that the model is from.
    pub result: Option<Epoch>,
    /// The command that trained it.
    pub command: Option<String>,
}

/// A text in a [`ModelCard`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CorpusInfo {
    /// Its use: `train`, `validation`.
    pub role: String,
    /// Its file or folder, as the user gave it.
    pub name: String,
    /// Its size in tokens.
    pub tokens: usize,
    /// Its size in characters.
    pub characters: u64,
    /// Its size in bytes.
    pub bytes: u64,
}

impl ModelCard {
    /// A card with a name only.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), corpus: Vec::new(), training: None, result: None, command: None }
    }

    /// The card as Markdown.
    pub(crate) fn markdown(&self, model: &LanguageModelConfig, unit: Unit) -> String {
        Markdown { card: self, model, unit }.to_string()
    }
}

struct Markdown<'a> {
    card: &'a ModelCard,
    model: &'a LanguageModelConfig,
    unit: Unit,
}

impl fmt::Display for Markdown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { card, model, unit } = *self;
        writeln!(
            f,
            "---\nlibrary_name: elman\npipeline_tag: text-generation\ntags:\n- recurrent\n- {}\n---",
            model.cell
        )?;
        writeln!(f, "# {}\n", one_line(&card.name))?;
        writeln!(f, "A recurrent language model ({}, {unit} tokens), trained with elman.\n", model.cell)?;
        writeln!(f, "```sh")?;
        writeln!(f, "elman generate --model DIR --prompt \"...\"")?;
        writeln!(f, "elman embed --model DIR FILE")?;
        writeln!(f, "```")?;
        writeln!(f, "\n## Model\n")?;
        table(f, &["setting", "value"], &self.model_rows())?;
        if !card.corpus.is_empty() {
            writeln!(f, "\n## Text\n")?;
            let rows: Vec<_> = card.corpus.iter().map(CorpusInfo::row).collect();
            table(f, &["use", "text", "tokens", "characters", "bytes"], &rows)?;
        }
        if let Some(training) = &card.training {
            writeln!(f, "\n## Training\n")?;
            table(f, &["setting", "value"], &training_rows(training))?;
        }
        if let Some(command) = &card.command {
            writeln!(f, "\n```sh\n{}\n```", one_line(command))?;
        }
        if let Some(result) = &card.result {
            writeln!(f, "\n## Result\n")?;
            table(f, &["figure", "value"], &result_rows(result))?;
        }
        Ok(())
    }
}

impl Markdown<'_> {
    fn model_rows(&self) -> Vec<Vec<String>> {
        let m = self.model;
        let drop = m.dropout;
        rows([
            ("cell", m.cell.to_string()),
            ("layers", m.layers.to_string()),
            ("hidden units", m.d_hidden.to_string()),
            ("embedding", m.d_embed.to_string()),
            ("vocabulary", format!("{} ({})", m.vocabulary, self.unit)),
            ("output tied to the embedding", if m.tied { "yes" } else { "no" }.into()),
            (
                "dropout (embedding, layers, output)",
                format!("{}, {}, {}", drop.embedding, drop.between_layers, drop.output),
            ),
        ])
    }
}

impl CorpusInfo {
    fn row(&self) -> Vec<String> {
        let Self { role, name, tokens, characters, bytes } = self;
        vec![role.clone(), name.clone(), tokens.to_string(), characters.to_string(), bytes.to_string()]
    }
}

fn training_rows(t: &TrainConfig) -> Vec<Vec<String>> {
    rows([
        ("optimizer", t.optimizer.to_string()),
        ("learning rate", t.learning_rate.to_string()),
        ("schedule", t.schedule.to_string()),
        ("gradient clip (global norm)", t.clip.map_or("none".into(), |clip| clip.to_string())),
        ("weight decay", t.weight_decay.to_string()),
        ("batch", t.batch.to_string()),
        ("tokens per step (bptt)", t.bptt.to_string()),
        ("epochs", t.epochs.to_string()),
        ("seed", t.seed.to_string()),
    ])
}

fn result_rows(result: &Epoch) -> Vec<Vec<String>> {
    let mut all = rows([
        ("epoch", result.epoch.to_string()),
        ("training loss (nats per token, with dropout)", format!("{:.4}", result.train_loss)),
        ("training speed (tokens/s)", format!("{:.0}", result.tokens_per_second)),
    ]);
    if let Some(valid) = &result.valid {
        all.extend(rows([
            ("validation loss (nats per token)", format!("{:.4}", valid.loss)),
            ("validation perplexity", format!("{:.2}", valid.perplexity)),
            ("bits per token", format!("{:.4}", valid.bits_per_token)),
            ("bits per character", format!("{:.4}", valid.bits_per_character)),
            ("bits per byte", format!("{:.4}", valid.bits_per_byte)),
        ]));
    }
    all
}

fn rows<const N: usize>(pairs: [(&str, String); N]) -> Vec<Vec<String>> {
    pairs.into_iter().map(|(name, value)| vec![name.into(), value]).collect()
}

fn table(f: &mut fmt::Formatter<'_>, head: &[&str], rows: &[Vec<String>]) -> fmt::Result {
    writeln!(f, "| {} |", head.join(" | "))?;
    writeln!(f, "|{}", " --- |".repeat(head.len()))?;
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| one_line(cell).replace('|', "\\|")).collect();
        writeln!(f, "| {} |", cells.join(" | "))?;
    }
    Ok(())
}

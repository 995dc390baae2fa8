//! The report of the experiment, and its charts.

use elman_report::{Dendrogram, LineChart, Merge, Page, ScatterMap};
use indicatif::HumanCount;

use super::{
    experiment::Experiment,
    grammar::{Class, TEMPLATES, Word, name},
    purity::Purity,
    words::Words,
    writing::Writing,
};

/// The loss curve, with the loss of the ideal predictor.
pub fn curve(experiment: &Experiment) -> LineChart {
    let run = &experiment.training;
    let training = run.history.intervals.iter().map(|interval| (interval.step as f64, interval.loss));
    let held_out = run.held_out.iter().map(|point| (point.step as f64, point.loss));
    LineChart::new("Learning to predict the next word")
        .with_axes("step", "loss, nats per word")
        .with_line("training", training)
        .with_dots("new sentences", held_out)
        .with_reference("ideal predictor", experiment.loss.ideal)
}

/// The dendrogram of the words.
pub fn tree(words: &Words) -> Dendrogram {
    let leaves = words.words.iter().map(|word| (format!("{word}  {}", classes(word)), kind(word)));
    let merge =
        |step: &kodama::Step<f64>| Merge { left: step.cluster1, right: step.cluster2, distance: step.dissimilarity };
    let merges = words.tree.steps().iter().map(merge);
    Dendrogram::new("Words by their average hidden states", "distance: 1 − cosine", leaves, merges)
}

/// The map of the words.
pub fn map(words: &Words) -> ScatterMap {
    let points = words.words.iter().zip(&words.map.points);
    points.fold(ScatterMap::new("The same states in two dimensions"), |map, (word, [x, y])| {
        map.with_point(*x, *y, *word, kind(word))
    })
}

/// The report page.
pub fn page(experiment: &Experiment) -> Page {
    let Experiment { text, training, loss, writing, words, search, .. } = experiment;
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let page = Page::new("Finding structure in time")
        .with_lead(
            "A recurrent network is trained to predict the next word of a stream of sentences. Without any labels, it learns to \
             distinguish nouns from verbs. After Elman (1990).",
        )
        .with_figure("loss above the ideal", format!("{:.1} %", loss.above_ideal_percent), "on new sentences")
        .with_figure("grammatical", percent(writing.network.grammaticality.share), "of the generated sentences")
        .with_figure("nouns and verbs", format!("{:.2}", words.noun_verb.purity), chance(words.noun_verb))
        .with_figure("animate and inanimate", format!("{:.2}", words.animate_inanimate.purity), chance(words.animate_inanimate))
        .with_section("Learning")
        .with_text(format!(
            "A simple recurrent network with {} parameters is trained for {} epochs, in {:.0} seconds. The ideal predictor knows \
             the grammar and tracks all possible positions in all templates; no predictor is better.",
            HumanCount(training.parameters as u64),
            training.epochs,
            training.seconds
        ))
        .with_chart(&curve(experiment))
        .with_table(
            &["predictor", "loss, nats per word"],
            [("unigram", loss.unigram), ("bigram", loss.bigram), ("network", loss.network), ("ideal", loss.ideal)]
                .map(|(name, loss)| vec![name.into(), format!("{loss:.4}")]),
        )
        .with_section("Word classes")
        .with_text(
            "The hidden state after each word, averaged over all of its occurrences, in a hierarchical clustering. Colors are the \
             true word classes.",
        )
        .with_chart(&tree(words))
        .with_table(
            &["first split of", "purity", "by chance"],
            [
                ("all words, into nouns and verbs", words.noun_verb),
                ("the nouns, into animate and inanimate ones", words.animate_inanimate),
            ]
            .map(|(name, purity)| {
                vec![name.into(), format!("{:.2}", purity.purity), format!("{:.2}", purity.shuffled)]
            }),
        )
        .with_text(format!(
            "On the map, the axes are the first two principal components of the states. They hold {} of the variance.",
            percent(words.map.variance.iter().sum())
        ))
        .with_chart(&map(words))
        .with_section("Generated text")
        .with_text(format!(
            "{} words sampled from each model. A word that fits no sentence is in brackets and counts as an ungrammatical \
             sentence.",
            HumanCount(writing.words as u64)
        ));
    let page = [("unigram", &writing.unigram), ("bigram", &writing.bigram), ("network", &writing.network)]
        .into_iter()
        .fold(page, |page, (name, Writing { grammaticality, sample })| {
            page.with_sample(format!("{name}: {} grammatical", percent(grammaticality.share)), format!("{sample} …"))
        });
    page.with_section("Similar sentences")
        .with_text(format!(
            "The mean of the hidden states is the embedding of a sentence. Of the {} different sentences, these are nearest to \
             “{}” ({}). The nearest other sentence has the same template in {} of all cases, by chance in {}.",
            search.sentences,
            search.query,
            search.template,
            percent(search.same_template.share),
            percent(search.same_template.chance)
        ))
        .with_table(
            &["sentence", "template", "cosine"],
            search.nearest.iter().map(|f| vec![f.sentence.clone(), f.template.clone(), format!("{:.3}", f.score)]),
        )
        .with_section("The text")
        .with_text(format!(
            "{} sentences sampled from {} templates of twelve word classes, {} words in total, without marks between them. The \
             network sees the words only. Another {} sentences are held out.",
            HumanCount(text.sentences as u64),
            TEMPLATES.len(),
            HumanCount(text.words as u64),
            HumanCount(text.held_out_sentences as u64)
        ))
        .with_table(&["template", "example"], TEMPLATES.iter().map(|t| template_row(t)))
        .with_section("The command")
        .with_code(format!("elman demo --seed {}", experiment.seed))
}

fn chance(purity: Purity) -> String {
    format!("purity; by chance {:.2}", purity.shuffled)
}

fn template_row(template: &[Class]) -> Vec<String> {
    let example: Vec<Word> = template.iter().map(|class| class.words()[0]).collect();
    vec![name(template), example.join(" ")]
}

fn classes(word: &Word) -> String {
    Class::for_word(word).into_iter().map(Class::name).collect::<Vec<_>>().join(", ")
}

/// The grammatical category of a word.
fn kind(word: &Word) -> &'static str {
    match Class::for_word(word)[0] {
        class if class.is_animate() => "animate noun",
        class if class.is_noun() => "inanimate noun",
        _ => "verb",
    }
}

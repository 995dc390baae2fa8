//! The experiment as a page, and its drawings.

use elman_report::{Dendrogram, LineChart, Merge, Page, ScatterMap};
use indicatif::HumanCount;

use super::{
    experiment::Experiment,
    grammar::{Class, TEMPLATES, Word, name},
    purity::Purity,
    words::Words,
    writing::Writing,
};

/// The loss over training, above the ideal predictor's.
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

/// The words as a tree.
pub fn tree(words: &Words) -> Dendrogram {
    let leaves = words.words.iter().map(|word| (format!("{word}  {}", classes(word)), kind(word)));
    let merge =
        |step: &kodama::Step<f64>| Merge { left: step.cluster1, right: step.cluster2, distance: step.dissimilarity };
    let merges = words.tree.steps().iter().map(merge);
    Dendrogram::new("Words by the hidden states that they leave", "distance: 1 − cosine", leaves, merges)
}

/// The words as a map.
pub fn map(words: &Words) -> ScatterMap {
    let points = words.words.iter().zip(&words.map.points);
    points.fold(ScatterMap::new("The same states in two dimensions"), |map, (word, [x, y])| {
        map.with_point(*x, *y, *word, kind(word))
    })
}

/// All that was found.
pub fn page(experiment: &Experiment) -> Page {
    let Experiment { text, training, loss, writing, words, search, .. } = experiment;
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let page = Page::new("Finding structure in time")
        .with_lead(
            "A recurrent network read sentences, word after word, and learned to predict the next. Nobody told it that \
             there are nouns and verbs. After Elman (1990).",
        )
        .with_figure("loss above the ideal", format!("{:.1} %", loss.above_ideal_percent), "on new sentences")
        .with_figure("grammatical", percent(writing.network.grammaticality.share), "of the sentences that it writes")
        .with_figure("nouns from verbs", format!("{:.2}", words.noun_verb.purity), chance(words.noun_verb))
        .with_figure("animate from inanimate", format!("{:.2}", words.animate_inanimate.purity), chance(words.animate_inanimate))
        .with_section("Learning")
        .with_text(format!(
            "A simple recurrent network with {} parameters reads the text {} times, in {:.0} seconds. The ideal predictor \
             knows the grammar and works out all places in all templates where the text may be; nothing can predict better.",
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
        .with_section("What it knows of words")
        .with_text(
            "Each word's hidden state, averaged over all places where the word occurs. Words with like states are joined; \
             colours are what a grammar book says.",
        )
        .with_chart(&tree(words))
        .with_table(
            &["the tree's first parting of", "purity", "by chance"],
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
        .with_section("What it writes")
        .with_text(format!(
            "{} words of each model, drawn by its own probabilities. A word that fits in no sentence is in brackets and counts \
             as a wrong sentence.",
            HumanCount(writing.words as u64)
        ));
    let page = [("unigram", &writing.unigram), ("bigram", &writing.bigram), ("network", &writing.network)]
        .into_iter()
        .fold(page, |page, (name, Writing { grammaticality, sample })| {
            page.with_sample(format!("{name}: {} grammatical", percent(grammaticality.share)), format!("{sample} …"))
        });
    page.with_section("Sentences that are alike")
        .with_text(format!(
            "The mean of the hidden states is a vector for a sentence. Of the {} different sentences these are nearest to \
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
            "{} sentences are drawn from {} templates over twelve classes of words. They follow each other without a mark \
             between them, {} words in all. The network sees the words only. Another {} sentences are held out.",
            HumanCount(text.sentences as u64),
            TEMPLATES.len(),
            HumanCount(text.words as u64),
            HumanCount(text.held_out_sentences as u64)
        ))
        .with_table(&["template", "an example"], TEMPLATES.iter().map(|t| template_row(t)))
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
    Class::of(word).into_iter().map(Class::name).collect::<Vec<_>>().join(", ")
}

/// What a grammar book says of a word.
fn kind(word: &Word) -> &'static str {
    match Class::of(word)[0] {
        class if class.is_animate() => "animate noun",
        class if class.is_noun() => "inanimate noun",
        _ => "verb",
    }
}

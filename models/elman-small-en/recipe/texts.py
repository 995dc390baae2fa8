"""Writes the training texts of elman-small-en: the sentences of a file, and sentences augmented from them.

    python texts.py sentences.tsv.gz texts.txt 0|1

`sentences.tsv.gz` contains lines `source<TAB>text`. With 0, only these texts are written; with 1, also augmented ones:
- each text with some words replaced by random words, rare ones oversampled, so that every word occurs in many contexts;
- each text with some words replaced by words that follow the same word elsewhere, so that it resembles a sentence;
- each text of the source `stsb-train`, which is close to the benchmark, 25 times with some words replaced by words of
  that source, and in part with another text's end;
- 400,000 fragments of texts, some followed by another text.
The targets are the teacher's vectors. The same input gives the same output.
"""

import collections, gzip, itertools, multiprocessing, os, random, re, sys

WORD = re.compile(r"\w+")
NUM_FRAGMENTS = 400_000
STSB_REPEATS = 25


def replace_words(text, fraction, pick_word, rng):
    return WORD.sub(lambda word: pick_word() if rng.random() < fraction else word[0], text)


def replace_by_followers(text, fraction, rng):
    previous = None

    def other(word):
        nonlocal previous
        others = followers.get(previous)
        previous = rng.choice(others) if others and rng.random() < fraction else word[0]
        return previous

    return WORD.sub(other, text)


def augment(job):
    kind, seed, indices = job
    rng, out = random.Random(seed), []
    for i in indices:
        text = texts[i]
        words = text.split()
        if len(words) < 2:
            continue
        if kind == "words":
            out.append(replace_words(text, rng.choice([0.15, 0.3, 0.5]), lambda: random_word(rng), rng))
        elif kind == "followers":
            out.append(replace_by_followers(text, rng.choice([0.15, 0.3, 0.5]), rng))
        elif kind == "stsb":
            text = replace_words(text, rng.choice([0.1, 0.2, 0.35]), lambda: rng.choice(stsb_words), rng)
            if rng.random() < 0.3:
                other, at = texts[rng.choice(stsb)].split(), rng.randrange(len(words))
                text = " ".join(text.split()[:at] + other[min(at, len(other) - 1):])
            out.append(text)
        elif len(words) >= 4:
            first = rng.randrange(len(words) - 2)
            text = " ".join(words[first : rng.randint(first + 2, len(words))])
            out.append(f"{text} {rng.choice(texts)}" if rng.random() < 0.3 else text)
    return out


def random_word(rng):
    return vocabulary[rng.choices(range(len(vocabulary)), cum_weights=weights)[0]]


def chunks(indices, size=20_000):
    return [indices[i : i + size] for i in range(0, len(indices), size)]


if __name__ == "__main__":
    source, target, make = sys.argv[1:4]
    with gzip.open(source, "rt", encoding="utf8", newline="\n") as lines:
        rows = [line.rstrip("\n").split("\t", 1) for line in lines]
    texts = [" ".join(text.split()) for _, text in rows]
    counts = collections.Counter(word for text in texts for word in WORD.findall(text))
    vocabulary = sorted(word for word, count in counts.items() if count > 1)
    weights = list(itertools.accumulate(counts[word] ** 0.5 for word in vocabulary))
    followers = collections.defaultdict(dict)
    for text in texts:
        for word, next_word in itertools.pairwise(WORD.findall(text)):
            followers[word][next_word] = None
    followers = {word: list(found) for word, found in followers.items() if len(found) > 1}
    stsb = [i for i, (name, _) in enumerate(rows) if name == "stsb-train"]
    stsb_words = [word for i in stsb for word in WORD.findall(texts[i])]

    sources = random.Random(0).choices(range(len(texts)), k=NUM_FRAGMENTS)
    jobs = [(kind, part) for kind in ("words", "followers") for part in chunks(range(len(texts)))]
    jobs += [("fragments", part) for part in chunks(sources)]
    jobs += [("stsb", stsb)] * STSB_REPEATS if stsb else []
    jobs = [(kind, seed, part) for seed, (kind, part) in enumerate(jobs)]
    augmented = []
    if make == "1":
        with multiprocessing.get_context("fork").Pool() as pool:
            augmented = pool.map(augment, jobs, chunksize=1)
    with open(target + ".tmp", "w", encoding="utf8") as out:
        for text in itertools.chain(texts, *augmented):
            out.write(text + "\n")
    os.replace(target + ".tmp", target)
    print(f"{len(texts)} texts and {sum(map(len, augmented))} augmented texts")

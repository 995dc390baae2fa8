"""The texts that elman-small-en learns from: the sentences of a file, and sentences made of them.

    python texts.py sentences.tsv.gz texts.txt 0|1

`sentences.tsv.gz` holds `source<TAB>text`. Written are the texts, and with 1 those made of them:
- each once more with some words exchanged for any others, rare ones preferred, so that every word is seen in many places;
- each once more with some words exchanged for others that somewhere follow the same word, so that it still reads like a sentence;
- those of the source `stsb-train`, which are like what people compare, 25 times more with some of their own words exchanged and
  their ends swapped;
- 400,000 pieces of texts, alone or two in a row.
What they mean, the teacher says. The same file gives the same texts.
"""

import collections, gzip, itertools, multiprocessing, os, random, re, sys

WORD = re.compile(r"\w+")
PIECES = 400_000
TIMES = 25


def exchange(text, share, draw, chance):
    return WORD.sub(lambda word: draw() if chance.random() < share else word[0], text)


def exchange_followers(text, share, chance):
    before = None

    def other(word):
        nonlocal before
        others = followers.get(before)
        before = chance.choice(others) if others and chance.random() < share else word[0]
        return before

    return WORD.sub(other, text)


def work(job):
    kind, seed, indices = job
    chance, out = random.Random(seed), []
    for i in indices:
        text = texts[i]
        words = text.split()
        if len(words) < 2:
            continue
        if kind == "words":
            out.append(exchange(text, chance.choice([0.15, 0.3, 0.5]), lambda: drawn(chance), chance))
        elif kind == "followers":
            out.append(exchange_followers(text, chance.choice([0.15, 0.3, 0.5]), chance))
        elif kind == "stsb":
            text = exchange(text, chance.choice([0.1, 0.2, 0.35]), lambda: chance.choice(stsb_words), chance)
            if chance.random() < 0.3:
                other, at = texts[chance.choice(stsb)].split(), chance.randrange(len(words))
                text = " ".join(text.split()[:at] + other[min(at, len(other) - 1):])
            out.append(text)
        elif len(words) >= 4:
            first = chance.randrange(len(words) - 2)
            text = " ".join(words[first : chance.randint(first + 2, len(words))])
            out.append(f"{text} {chance.choice(texts)}" if chance.random() < 0.3 else text)
    return out


def drawn(chance):
    return vocabulary[chance.choices(range(len(vocabulary)), cum_weights=weights)[0]]


def parts(indices, size=20_000):
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

    picked = random.Random(0).choices(range(len(texts)), k=PIECES)
    jobs = [(kind, part) for kind in ("words", "followers") for part in parts(range(len(texts)))]
    jobs += [("pieces", part) for part in parts(picked)]
    jobs += [("stsb", stsb)] * TIMES if stsb else []
    jobs = [(kind, seed, part) for seed, (kind, part) in enumerate(jobs)]
    made = []
    if make == "1":
        with multiprocessing.get_context("fork").Pool() as pool:
            made = pool.map(work, jobs, chunksize=1)
    with open(target + ".tmp", "w", encoding="utf8") as out:
        for text in itertools.chain(texts, *made):
            out.write(text + "\n")
    os.replace(target + ".tmp", target)
    print(f"{len(texts)} texts and {sum(map(len, made))} made of them")

"""Writes keywords.json next to this file: BERTopic's weights of the words of some groups of texts.

    pip install scikit-learn bertopic && python keywords.py
"""

import json
import re
from pathlib import Path

from bertopic.vectorizers import ClassTfidfTransformer
from sklearn.feature_extraction.text import CountVectorizer

groups = [
    ["a cat sat on the mat", "the cat and the dog ran", "my dog is a good dog and the cat is not"],
    ["the shares fell sharply", "the market and the banks fell", "banks in the market lost and banks sold"],
    ["the band played on", "a song and the guitar", "the guitar of the band is on the song and on", "the song is good"],
]
vectorizer = CountVectorizer(token_pattern=r"\w\w+")
counts = vectorizer.fit_transform([" ".join(texts) for texts in groups])
transformer = ClassTfidfTransformer(bm25_weighting=True, reduce_frequent_words=True)
weights = transformer.fit_transform(counts.astype(float)).toarray()
names = vectorizer.get_feature_names_out()
weights = [
    {name: weight for name, weight in zip(names, row) if re.search(rf"\b{name}\b", " ".join(texts))}
    for row, texts in zip(weights, groups)
]
Path(__file__).with_suffix(".json").write_text(json.dumps({"groups": groups, "weights": weights}, indent=1) + "\n")

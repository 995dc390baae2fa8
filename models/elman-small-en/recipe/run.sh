#!/usr/bin/env bash
# Makes elman-small-en anew. Each step is left out where its result is there already; what is interrupted goes on.
#
#   models/elman-small-en/recipe/run.sh sentences.tsv.gz WORK [OPTIONS OF elman encoder train…]
#
# The first file holds `source<TAB>text`. WORK is a folder for what is in between: 5 GB. Needs Python with torch and
# sentence-transformers, and the teacher, all-MiniLM-L6-v2: its name, or a directory, in TEACHER. ELMAN is the program, PYTHON the
# interpreter. With MADE=0 it learns from the sentences alone, and not from those made of them (texts.py) too, of which there are three
# times as many. The options are by default those of the model that is shipped, for a graphics card: on two cores, `--device flex
# --batch 512 --lr 0.002 --epochs 2` and MADE=0 take an hour and a half.
set -euo pipefail
sentences=$(realpath "$1") work=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
: "${PYTHON:=python3}" "${TEACHER:=sentence-transformers/all-MiniLM-L6-v2}" "${ELMAN:=elman}" "${MADE:=1}"
[ $# -gt 0 ] || set -- --batch 1024 --lr 0.003 --steps 9500 --seed 1
mkdir -p "$work"

if [ ! -e "$work/texts.txt" ]; then
    "$PYTHON" "$here/texts.py" "$sentences" "$work/texts.txt" "$MADE"
fi
[ -e "$work/teacher/texts.npy" ] || "$PYTHON" "$here/teacher.py" "$TEACHER" "$work/texts.txt" "$work/teacher"
[ -e "$work/encoder/model.safetensors" ] && [ ! -e "$work/encoder/checkpoint.safetensors" ] ||
    "$ELMAN" encoder train "$work/texts.txt" --teacher "$work/teacher/texts.npy" \
        --tokenizer "$work/teacher/tokenizer.json" --token-vectors "$work/teacher/tokens.npy" \
        --cell gru --embed 256 --hidden 512 --dim 384 --matryoshka 64,128,256 \
        --out "$work/encoder" --resume "$@"
"$ELMAN" encoder export "$work/encoder" --weight-dtype int8 --out "$work/elman-small-en" --force

#!/usr/bin/env bash
# Rebuilds elman-small-en. Steps whose results exist are skipped; interrupted steps resume.
#
#   models/elman-small-en/recipe/run.sh sentences.tsv.gz WORK [OPTIONS OF elman encoder train…]
#
# The first file contains lines `source<TAB>text`. WORK is a folder for intermediate files, 5 GB. Requires Python with
# torch and sentence-transformers. Environment variables: TEACHER is the name or directory of the teacher,
# all-MiniLM-L6-v2; ELMAN the elman program; PYTHON the interpreter. MADE=0 trains on the sentences alone, without the
# augmented ones (texts.py), which are three times as many. The default options are those of the released model, for a
# GPU; on two CPU cores, `--device flex --batch 512 --lr 0.002 --epochs 2` with MADE=0 takes an hour and a half.
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

"""What Triton Inference Server is told, to serve the models of the repository.

config.py   `config.pbtxt` from a model's manifest, for a machine with GPUs and for one without
layout.py   the folder that Triton mounts, made from the repository
cli.py      `stemwright models triton`, which writes it
python_model.py   what its Python backend calls where there is no ONNX Runtime backend; copied, never imported
"""

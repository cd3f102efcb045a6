"""Stage 2, what does a model make of it? The only importer of torch, torchvision, fastai and safetensors.

Importing this package imports none of them; its modules do.
"""

"""C++ kernels for x86 processors, compiled for the machine at hand when first used."""

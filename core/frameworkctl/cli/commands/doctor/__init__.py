"""``frameworkctl doctor``: checks of the machine and the installation."""

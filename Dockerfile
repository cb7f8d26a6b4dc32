# One image for our processes and for the sample shop; docker-compose.yml starts them.
FROM python:3.13-slim

# A user's own folder named sync or shadow must not be imported in our place: docs/decisions/0001.
ENV PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1

WORKDIR /app
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements.lock
COPY . .
# In place, so that the samples, which are not in the wheel, are found as well.
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable . \
    && useradd --create-home strangler \
    && mkdir -p .strangler var \
    && chown strangler .strangler var
USER strangler
